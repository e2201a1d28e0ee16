"""What this machine does: its speed, the seconds of each layer, memory measured; and reading those rows back."""
