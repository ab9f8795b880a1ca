"""Where the key-encryption key is: a file, the environment, Vault transit, or the KMS of a cloud."""
