"""Why a network detects nothing, or something else than it should."""
