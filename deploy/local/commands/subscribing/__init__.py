"""The commands of `./parkunion` for deliveries to labour bureaus. As in `deploy.local.commands`, every module has `register`."""
