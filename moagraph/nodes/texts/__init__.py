"""Texts that models wrote: in parts, made shorter, compared, counted."""
