from collections.abc import Callable, Mapping

class Sifted:
    maps: list[tuple[int, Mapping[int, str], list[dict[int, int]]]]
    machine: int
    local: int
    most_boxes: tuple[int, int]
    variants: tuple[int, int]
    looks: bool

class Sieve:
    def __init__(
        self,
        attribute: str,
        *,
        least: int,
        salt: str,
        limit: bytes,
        class_map: Callable[[bytes], Mapping[int, str] | None],
    ) -> None: ...
    def sift(
        self,
        blocks: list[bytes],
        verdicts: bytearray,
        keys: list[bytearray],
        side_of: Callable[[str, bytes], int] | None = None,
    ) -> Sifted: ...

def part(blocks: list[bytes], verdicts: bytearray) -> list[bytes]: ...
