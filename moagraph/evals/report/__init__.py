"""A report on one run or on two compared runs, as one HTML page, as Markdown and as JSON."""
