"""Rolling features: windows, histories and the fold over task events. Pure, no I/O."""
