"""A locally issued certificate, as browsers on phones allow the camera only over HTTPS.

The certificate is stored, so that browsers warn only once and remember the exception.
"""

import socket
from pathlib import Path

import trustme


def lan_addresses() -> list[str]:
    """This machine's network addresses, the one of the default route first."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Connecting a UDP socket sends nothing, but selects the route and its address.
            probe.connect(("192.0.2.1", 9))
            default_route = [probe.getsockname()[0]]
        except OSError:
            default_route = []
    try:
        others = socket.gethostbyname_ex(socket.gethostname())[2]
    except OSError:
        others = []
    found = dict.fromkeys([*default_route, *others])
    return [address for address in found if not address.startswith("127.")]


def certificate(folder: Path, names: list[str]) -> tuple[Path, Path]:
    """Paths of a certificate for ``names`` and of its key; created if missing or for other names.

    ``names`` are host names and addresses.
    """
    certificate_path, key_path = folder / "certificate.pem", folder / "key.pem"
    names_path = folder / "names"
    wanted = "\n".join(names)
    if not names_path.is_file() or names_path.read_text(encoding="utf-8") != wanted:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        issued = trustme.CA(organization_name="Vision Online").issue_cert(*names)
        key_path.touch(mode=0o600)
        issued.private_key_pem.write_to_path(key_path)
        certificate_path.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        names_path.write_text(wanted, encoding="utf-8")
    return certificate_path, key_path
