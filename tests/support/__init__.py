"""What the tests share: local servers, databases, and the register of secrets that no log may hold."""
