"""Performance, measured against a provider on this machine; run by hand and by CI in small."""
