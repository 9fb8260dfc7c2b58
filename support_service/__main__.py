"""`python -m support_service` does what the command `support-service` does."""

from support_service.cli import main

if __name__ == "__main__":
    main()
