"""What a person is told whom AWS does not know: the same by every command."""

from __future__ import annotations

from botocore.exceptions import (
    ClientError,
    CredentialRetrievalError,
    LoginError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)

_HINT = ". Log in first, for example with aws sso login, or set AWS_PROFILE"
_MISSING = (
    CredentialRetrievalError,
    LoginError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)
# Common errors of AWS's APIs and those of STS; API references, read 2026-11-28.
_NOT_TAKEN = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "MissingAuthenticationToken",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)


def explained(error: Exception) -> str:
    """Return the error's text and, where credentials are missing or not taken, what to do."""
    code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
    hint = _HINT if isinstance(error, _MISSING) or code in _NOT_TAKEN else ""
    return f"{str(error).rstrip('.')}{hint}" if hint else str(error)
