"""What must not leave this machine: found, hidden, guarded, and put back."""
