"""The algorithms that we negotiate: modern ones only, each list written out.

No SHA-1, no CBC, no group exchange (it needs a file of moduli), no compression (a kilobyte inflates to a megabyte).
"""

from __future__ import annotations

from typing import Final

from twisted.conch.ssh.transport import SSHServerTransport

from maglev.ssh.ciphers import AEAD_KEY_SIZES, ETM_DIGESTS
from maglev.ssh.packet_transport import STRICT_SERVER

_WANTED: Final = (
    b"mlkem768x25519-sha256",
    b"curve25519-sha256",
    b"curve25519-sha256@libssh.org",
    b"ecdh-sha2-nistp256",
    b"ecdh-sha2-nistp384",
    b"ecdh-sha2-nistp521",
)

KEY_EXCHANGES: Final = (*(name for name in _WANTED if name in SSHServerTransport.supportedKeyExchanges), STRICT_SERVER)
"""Their availability depends on the versions of Twisted and cryptography. The last is not one, but announces a rule."""

CIPHERS: Final = (*AEAD_KEY_SIZES, b"aes256-ctr", b"aes192-ctr", b"aes128-ctr")
"""No ChaCha20-Poly1305: without strict key exchange at the client it allows CVE-2023-48795; AES-GCM never does."""

MACS: Final = (*ETM_DIGESTS, b"hmac-sha2-512", b"hmac-sha2-256")
COMPRESSIONS: Final = (b"none",)
HOST_KEYS: Final = (b"ssh-ed25519",)

SIGNATURES: Final = {
    b"ssh-ed25519": (b"ssh-ed25519",),
    b"sk-ssh-ed25519@openssh.com": (b"sk-ssh-ed25519@openssh.com",),
    b"ecdsa-sha2-nistp256": (b"ecdsa-sha2-nistp256",),
    b"ecdsa-sha2-nistp384": (b"ecdsa-sha2-nistp384",),
    b"ecdsa-sha2-nistp521": (b"ecdsa-sha2-nistp521",),
    b"sk-ecdsa-sha2-nistp256@openssh.com": (b"sk-ecdsa-sha2-nistp256@openssh.com",),
    b"ssh-rsa": (b"rsa-sha2-512", b"rsa-sha2-256"),
}
"""Accepted types of keys, and the signatures accepted from each (an RSA key may not sign with SHA-1)."""

SIGNATURE_NAMES: Final = tuple(name for names in SIGNATURES.values() for name in names)
"""The signatures announced in the extension ``server-sig-algs`` (RFC 8308, 3.1)."""

MIN_RSA_BITS: Final = 2048
"""Minimum size of RSA keys in bits. NIST SP 800-131A disallows less; OpenSSH always refuses less than 1024."""
