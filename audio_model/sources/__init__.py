"""Sources of recordings: files, folders, archives, remote stores, and manifests of them."""
