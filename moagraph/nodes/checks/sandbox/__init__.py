"""Isolation by the kernel for code that a model wrote: bubblewrap, or Landlock and seccomp."""
