"""What programs outside the service import: its client."""
