"""A certificate for this machine, so that phones in the same network may use their cameras.

Nobody vouches for it: browsers warn once and remember the answer, as the certificate is kept.
"""

import socket
from pathlib import Path

import trustme


def lan_addresses() -> list[str]:
    """This machine's addresses in its networks, the one towards the outside first."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Nothing is sent: this only asks which way a packet would take.
            probe.connect(("192.0.2.1", 9))
            outward = [probe.getsockname()[0]]
        except OSError:
            outward = []
    try:
        others = socket.gethostbyname_ex(socket.gethostname())[2]
    except OSError:
        others = []
    found = dict.fromkeys([*outward, *others])
    return [address for address in found if not address.startswith("127.")]


def certificate(folder: Path, names: list[str]) -> tuple[Path, Path]:
    """The files of a certificate for ``names`` and of its key, made when there is none for them.

    ``names`` are host names and addresses; only the owner may read the key.
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
