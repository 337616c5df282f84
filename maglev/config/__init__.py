"""The YAML file of maglevd: text in, an immutable `maglev.model.config.Config` or all its errors out."""
