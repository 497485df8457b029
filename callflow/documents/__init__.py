"""Layer 1: documents: schemas, system_config, accounts, validation."""
