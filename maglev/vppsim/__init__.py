"""A look-alike of VPP's API, stats segment and lb plugin, for tests, demonstrations and staging."""
