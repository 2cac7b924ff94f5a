"""What imports Ray, which only the extra `scale` brings."""
