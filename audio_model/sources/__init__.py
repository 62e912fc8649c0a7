"""Where recordings lie: files, folders, archives, remote stores, and manifests of them."""
