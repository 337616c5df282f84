"""The YAML file of maglevd: text in, an immutable `maglev.model.Config` or all its errors out."""
