# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Plain lines told from the others in compiled code; see `core.plain_lines`, which this quickens.

A scanner that knows the label's grammar (docs.aws.amazon.com/sagemaker/latest/dg/sms-data-output.html)
and JSON's (RFC 8259), and takes no more of both than machines write: no escapes, coordinates in
digits alone, every member once. What it takes is plain by the rules of `core.plain_lines`; what it
does not take may be plain none the less, and is for the reader there.

No byte is looked at behind a block: a `bytes` object ends with a 0, which no step of the scanner
passes over, nor any other control character; and `memcmp` is called where as many bytes are left.

Scanner and sieve are one file, as the compiler sees only then that the one is a part of the other.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_GET_SIZE, PyByteArray_Resize
from libc.stdint cimport uint8_t, uint32_t
from libc.stdlib cimport calloc, free
from libc.string cimport memchr, memcmp, memcpy

from hashlib import sha256 as _sha256

cdef enum:
    BOXES = 1024      # on a line
    CLASSES = 4096    # ids below this
    SPELLINGS = 4096  # of class maps that are remembered
    SIDES = 2
    DEPTH = 16        # of what a variant's member holds
    PIXELS = 1000000  # a side of an image, a coordinate
    LONGEST_NAME = 10 # of a box's member, quotes included
    KEY = 6           # of an address's digest: eight bytes on which the side does not hang
    KEY_SIZE = 8

ctypedef const uint8_t* Place  # NULL: not plain

cdef struct Span:
    Place start
    Place end

cdef struct Line:
    uint8_t every  # all bytes of all texts, one on top of the other
    Span source_ref
    Span origin
    Span class_map
    bint look
    bint variant
    bint people
    long width
    long height
    long right   # of the box that reaches furthest
    long bottom
    long objects
    long boxes
    uint32_t ids[BOXES]


cdef inline Place blank(Place at) noexcept nogil:
    while at[0] == c' ' or at[0] == c'\t':
        at += 1
    return at


cdef inline bint is_digit(uint8_t byte) noexcept nogil:
    return c'0' <= byte <= c'9'


cdef inline Place text(Place at, Span* found, uint8_t* every) noexcept nogil:
    """Pass a text without escapes; blanks behind it, too."""
    cdef uint8_t byte
    if at[0] != c'"':
        return NULL
    at += 1
    found.start = at
    while True:
        byte = at[0]
        if byte == c'"':
            break
        if byte < c' ' or byte == c'\\':
            return NULL
        every[0] |= byte
        at += 1
    found.end = at
    return blank(at + 1)


cdef inline Place key(Place at, Span* found, uint8_t* every) noexcept nogil:
    """Pass a member's name and what stands before its value."""
    at = text(at, found, every)
    if at == NULL:
        return NULL
    return colon(at)


cdef inline Place colon(Place at) noexcept nogil:
    """Pass what stands between a member's name and its value."""
    at = blank(at)
    return blank(at + 1) if at[0] == c':' else NULL


cdef inline bint spells(const Span* found, const char* word, size_t size) noexcept nogil:
    return <size_t>(found.end - found.start) == size and memcmp(found.start, word, size) == 0


cdef inline Place after(Place at, uint8_t byte) noexcept nogil:
    """Pass this byte and the blanks behind it."""
    return blank(at + 1) if at[0] == byte else NULL


cdef inline Place whole(Place at, long low, long high, long* found) noexcept nogil:
    """Pass a whole number; blanks behind it, too. A point behind it is for the caller to refuse."""
    cdef long value = 0
    cdef int digits = 0
    if at == NULL:
        return NULL
    if at[0] == c'0' and is_digit(at[1]):
        return NULL
    while is_digit(at[0]):
        digits += 1
        if digits > 7:
            return NULL
        value = 10 * value + (at[0] - c'0')
        at += 1
    if digits == 0 or value < low or value > high:
        return NULL
    found[0] = value
    return blank(at)


cdef inline Place confidence(Place at) noexcept nogil:
    """Pass 0, 1, or a number between them without an exponent."""
    cdef uint8_t first = at[0]
    if first != c'0' and first != c'1':
        return NULL
    at += 1
    if at[0] == c'.':
        at += 1
        if not is_digit(at[0]):
            return NULL
        while is_digit(at[0]):
            if first == c'1' and at[0] != c'0':
                return NULL
            at += 1
    return blank(at)


cdef Place number(Place at) noexcept nogil:
    """Pass any number."""
    if at[0] == c'-':
        at += 1
    if not is_digit(at[0]) or (at[0] == c'0' and is_digit(at[1])):
        return NULL
    while is_digit(at[0]):
        at += 1
    if at[0] == c'.':
        at += 1
        if not is_digit(at[0]):
            return NULL
        while is_digit(at[0]):
            at += 1
    if at[0] == c'E' or at[0] == c'e':
        return NULL
    return blank(at)


cdef Place anything(Place at, Place end, int depth, uint8_t* every) noexcept nogil:
    """Pass any value; objects and arrays in one another no deeper than `depth`."""
    cdef Span ignored
    cdef uint8_t closing
    if at[0] == c'"':
        return text(at, &ignored, every)
    if at[0] == c'-' or is_digit(at[0]):
        return number(at)
    if at[0] == c'{' or at[0] == c'[':
        if depth == 0:
            return NULL
        closing = at[0] + 2  # of { and of [
        at = blank(at + 1)
        if at[0] == closing:
            return blank(at + 1)
        while True:
            if closing == c'}':
                at = key(at, &ignored, every)
                if at == NULL or spells(&ignored, b"annotations", 11):
                    return NULL  # may be a label of its own
            at = anything(at, end, depth - 1, every)
            if at == NULL:
                return NULL
            if at[0] == closing:
                return blank(at + 1)
            at = after(at, c',')
            if at == NULL:
                return NULL
    if end - at >= 4 and (memcmp(at, b"true", 4) == 0 or memcmp(at, b"null", 4) == 0):
        return blank(at + 4)
    if end - at >= 5 and memcmp(at, b"false", 5) == 0:
        return blank(at + 5)
    return NULL


cdef inline Place behind(Place at, uint8_t closing, bint* more) noexcept nogil:
    """Pass the comma before a further member or item, or the closing bracket."""
    more[0] = at[0] == c','
    if at[0] != c',' and at[0] != closing:
        return NULL
    return blank(at + 1)


cdef inline Place once(Place at, int member, int* seen, bint* more) noexcept nogil:
    """Pass what stands behind a member, which may be there once."""
    if at == NULL or seen[0] & member:
        return NULL
    seen[0] |= member
    return behind(at, c'}', more)


cdef Place size_of(Place at, Line* line) noexcept nogil:
    """Pass `image_size`: one size, of three colours."""
    cdef Span name
    cdef long depth
    cdef int seen = 0, member
    cdef bint more = True
    at = after(at, c'[')
    if at == NULL:
        return NULL
    at = after(at, c'{')
    while more and at != NULL:
        at = key(at, &name, &line.every)
        if at == NULL:
            return NULL
        if spells(&name, b"width", 5):
            member = 1
            at = whole(at, 1, PIXELS, &line.width)
        elif spells(&name, b"height", 6):
            member = 2
            at = whole(at, 1, PIXELS, &line.height)
        elif spells(&name, b"depth", 5):
            member = 4
            at = whole(at, 3, 3, &depth)
        else:
            return NULL
        at = once(at, member, &seen, &more)
    if at == NULL or seen != 7:
        return NULL
    return after(at, c']')


cdef Place box(Place at, Place end, long least, Line* line) noexcept nogil:
    """Pass one of `annotations`."""
    cdef long left = 0, top = 0, width = 0, height = 0, class_id = 0
    cdef int seen = 0, member
    cdef bint more = True
    at = after(at, c'{')
    while more and at != NULL:
        if end - at < LONGEST_NAME or at[0] != c'"':
            return NULL
        if memcmp(at, b'"left"', 6) == 0:
            member = 1
            at = whole(colon(at + 6), 0, PIXELS, &left)
        elif memcmp(at, b'"top"', 5) == 0:
            member = 2
            at = whole(colon(at + 5), 0, PIXELS, &top)
        elif memcmp(at, b'"width"', 7) == 0:
            member = 4
            at = whole(colon(at + 7), least, PIXELS, &width)
        elif memcmp(at, b'"height"', 8) == 0:
            member = 8
            at = whole(colon(at + 8), least, PIXELS, &height)
        elif memcmp(at, b'"class_id"', 10) == 0:
            member = 16
            at = whole(colon(at + 10), 0, CLASSES - 1, &class_id)
        else:
            return NULL
        at = once(at, member, &seen, &more)
    if at == NULL or seen != 31 or line.boxes == BOXES:
        return NULL
    line.right = max(line.right, left + width)
    line.bottom = max(line.bottom, top + height)
    line.ids[line.boxes] = <uint32_t>class_id
    line.boxes += 1
    return at


cdef Place label(Place at, Place end, long least, Line* line) noexcept nogil:
    """Pass what stands under the label attribute."""
    cdef Span name
    cdef int seen = 0, member
    cdef bint more = True, further = True
    at = after(at, c'{')
    while more and at != NULL:
        at = key(at, &name, &line.every)
        if at == NULL:
            return NULL
        if spells(&name, b"image_size", 10):
            member = 1
            at = size_of(at, line)
        elif spells(&name, b"annotations", 11):
            member = 2
            at = after(at, c'[')
            further = True
            while further and at != NULL:
                at = box(at, end, least, line)
                if at != NULL:
                    at = behind(at, c']', &further)
        else:
            return NULL
        at = once(at, member, &seen, &more)
    if seen != 3 or line.right > line.width or line.bottom > line.height:
        return NULL
    return at


cdef Place objects(Place at, Place end, Line* line) noexcept nogil:
    """Pass the boxes' confidences."""
    cdef bint more = True
    at = after(at, c'[')
    while more and at != NULL:
        at = after(at, c'{')
        if at == NULL or end - at < 12 or memcmp(at, b'"confidence"', 12) != 0:
            return NULL
        at = colon(at + 12)
        if at == NULL:
            return NULL
        at = confidence(at)
        if at == NULL:
            return NULL
        at = after(at, c'}')
        if at == NULL:
            return NULL
        line.objects += 1
        at = behind(at, c']', &more)
    return at


cdef Place class_map(Place at, Line* line) noexcept nogil:
    """Pass an object of texts; what they say is looked up by how the whole is spelt."""
    cdef Span ignored
    cdef bint more = True
    line.class_map.start = at
    at = after(at, c'{')
    while more and at != NULL:
        at = key(at, &ignored, &line.every)
        if at == NULL:
            return NULL
        at = text(at, &ignored, &line.every)
        if at == NULL:
            return NULL
        if at[0] == c'}':
            line.class_map.end = at + 1
        at = behind(at, c'}', &more)
    return at


cdef Place metadata(Place at, Place end, Line* line) noexcept nogil:
    """Pass the label's metadata."""
    cdef Span name, value
    cdef int seen = 0, member
    cdef bint more = True
    at = after(at, c'{')
    while more and at != NULL:
        at = key(at, &name, &line.every)
        if at == NULL:
            return NULL
        if spells(&name, b"objects", 7):
            member = 1
            at = objects(at, end, line)
        elif spells(&name, b"class-map", 9):
            member = 2
            at = class_map(at, line)
        else:
            at = text(at, &value, &line.every)
            if spells(&name, b"type", 4):
                member = 4
                if at == NULL or not spells(&value, b"groundtruth/object-detection", 28):
                    return NULL
            elif spells(&name, b"human-annotated", 15):
                member = 8
                if at == NULL:
                    return NULL
                line.people = spells(&value, b"yes", 3) or spells(&value, b"true", 4)
                if not (line.people or spells(&value, b"no", 2) or spells(&value, b"false", 5)):
                    return NULL
            elif spells(&name, b"job-name", 8):
                member = 16
            elif spells(&name, b"creation-date", 13):
                member = 32
            elif spells(&name, b"adjustment-status", 17):
                member = 64
            else:
                return NULL
        at = once(at, member, &seen, &more)
    return at if seen & 63 == 63 else NULL


cdef Place scan(Place at, Place end, const Span* attribute, long least, Line* line) noexcept nogil:
    """Pass a line that is plain as far as one line tells, and learn what it says."""
    cdef Span name, value
    cdef int seen = 0, member
    cdef size_t size
    cdef size_t own = attribute.end - attribute.start
    cdef bint more = True
    line.every = line.look = line.variant = line.people = 0
    line.right = line.bottom = line.objects = line.boxes = 0
    line.origin.start = NULL
    at = after(at, c'{')
    while more and at != NULL:
        at = key(at, &name, &line.every)
        if at == NULL:
            return NULL
        size = name.end - name.start
        if size >= own and memcmp(name.start, attribute.start, own) == 0 and (
            size == own or (size == own + 9 and memcmp(name.start + own, b"-metadata", 9) == 0)
        ):
            member = 1 if size == own else 2
            at = label(at, end, least, line) if member == 1 else metadata(at, end, line)
        elif spells(&name, b"variant", 7):
            member = 4
            line.variant = True
            at = anything(at, end, DEPTH, &line.every)
        else:
            at = text(at, &value, &line.every)
            if at == NULL:
                return NULL
            if spells(&name, b"source-ref", 10):
                member = 8
                line.source_ref = value
            elif spells(&name, b"origin", 6):
                member = 16
                line.origin = value
            elif spells(&name, b"photograph", 10):
                member = 32
            elif spells(&name, b"perceptual-hash", 15):
                member = 64
                line.look = True
            else:
                return NULL
            if member & 24 and value.start == value.end:
                return NULL
        at = once(at, member, &seen, &more)
    if at == NULL or (at - 1)[0] != c'}' or seen & 11 != 11 or line.boxes != line.objects:
        return NULL
    return at


cdef inline Place next_line(Place at, Place end) noexcept nogil:
    """Return where the line behind this one begins."""
    at = <Place>memchr(at, c'\n', end - at)
    return end if at == NULL else at + 1


cdef inline Place ended(Place at, Place end) noexcept nogil:
    """Pass a line's end, which must be here."""
    if at == NULL or at == end:
        return at
    if at[0] == c'\r':
        at += 1
        if at == end:
            return at
    return at + 1 if at[0] == c'\n' else NULL




cdef class Spelling:
    """A class map as it is spelt, and the boxes on lines that have it, by side and class."""

    cdef readonly object names
    cdef readonly Py_ssize_t first
    cdef long size
    cdef uint8_t* known
    cdef long* boxes

    def __cinit__(self, names):
        """Take class names by ids below `CLASSES`."""
        self.names = names
        self.first = -1
        self.size = max(names, default=-1) + 1
        if self.size > CLASSES or min(names, default=0) < 0:
            raise ValueError("a class id is out of bounds")
        self.known = <uint8_t*>calloc(self.size + 1, 1)
        self.boxes = <long*>calloc(SIDES * self.size + 1, sizeof(long))
        if self.known == NULL or self.boxes == NULL:
            raise MemoryError
        for class_id in names:
            self.known[<long>class_id] = 1

    def __dealloc__(self):
        free(self.known)
        free(self.boxes)

    cdef bint knows(self, const Line* line) noexcept:
        cdef long at
        for at in range(line.boxes):
            if line.ids[at] >= self.size or not self.known[line.ids[at]]:
                return False
        return True

    cdef void add(self, const Line* line, int side) noexcept:
        cdef long at
        for at in range(line.boxes):
            self.boxes[side * self.size + line.ids[at]] += 1

    cdef list taken(self):
        """Return the boxes of each side by class id, and count from 0 again."""
        cdef long side, at
        found = []
        for side in range(SIDES):
            counts = {}
            for at in range(self.size):
                if self.boxes[side * self.size + at]:
                    counts[at] = self.boxes[side * self.size + at]
                    self.boxes[side * self.size + at] = 0
            found.append(counts)
        self.first = -1
        return found


cdef class Sifted:
    """What plain lines hold; the figures of sides are those of 1 and 2, the verdicts.

    `maps` are the class maps that were used, each with the place of the first line that has it,
    and with each side's boxes by class id. `machine` counts lines that people did not draw,
    `local` those of images that are not in S3. `looks` tells that a line says what its image looks
    like.
    """

    cdef readonly list maps
    cdef readonly long machine
    cdef readonly long local
    cdef readonly tuple most_boxes
    cdef readonly tuple variants
    cdef readonly bint looks


cdef class Sieve:
    """Sifts lines by one label attribute, least side of a box, salt and share of validation."""

    cdef bytes attribute
    cdef bytes salt
    cdef bytes limit
    cdef long least
    cdef object class_map
    cdef dict spellings

    def __init__(self, str attribute, *, long least, str salt, bytes limit, class_map):
        """Take what decides; see `plain_lines.Rules`.

        The attribute is `label_schema.usable`; `limit` is the `split.boundary`. `class_map` reads
        a class map as it is spelt, and gives None if anything about it is unusual.
        """
        self.attribute = attribute.encode()
        self.least = min(max(least, 0), PIXELS + 1)
        self.salt = salt.encode() + b"\0"
        self.limit = limit
        self.class_map = class_map
        self.spellings = {}

    def sift(self, list blocks, bytearray verdicts, list keys, side_of=None):
        """Append each line's verdict, 0 if it is not taken, and add the keys of those that are.

        Blocks end where a line does. `side_of` tells the side, 0 or 1, of an origin with its
        digest; without it the digest decides alone.
        """
        cdef Line line
        cdef Span attribute
        cdef Spelling used
        cdef Py_ssize_t at = PyByteArray_GET_SIZE(verdicts) - 1
        cdef Place start, end, stop, begin
        cdef int side
        cdef list touched = []
        cdef bytes block, digest
        cdef long size
        cdef long[SIDES] most, variants
        cdef Sifted found = Sifted()
        most[:] = [0, 0]
        variants[:] = [0, 0]
        attribute.start = <Place>PyBytes_AS_STRING(self.attribute)
        attribute.end = attribute.start + PyBytes_GET_SIZE(self.attribute)
        for block in blocks:
            start = <Place>PyBytes_AS_STRING(block)
            end = start + PyBytes_GET_SIZE(block)
            while start < end:
                at += 1
                PyByteArray_Resize(verdicts, at + 1)
                PyByteArray_AS_STRING(verdicts)[at] = 0
                begin = start
                stop = scan(begin, end, &attribute, self.least, &line)
                start = ended(stop, end)
                if start == NULL:
                    start = next_line(begin, end)
                    continue
                if line.every >= 128 and not is_text(begin, stop):
                    continue
                used = self.spelling(&line.class_map)
                if used is None or not used.knows(&line):
                    continue
                digest = self.digest(&line.source_ref)
                add_key(keys, digest)
                if line.origin.start != NULL:
                    digest = self.digest(&line.origin)
                else:
                    line.origin = line.source_ref
                if side_of is None:
                    side = digest < self.limit
                else:
                    size = line.origin.end - line.origin.start
                    side = side_of(line.origin.start[:size].decode(), digest)
                if not 0 <= side < SIDES:
                    raise ValueError("no such side")
                PyByteArray_AS_STRING(verdicts)[at] = side + 1
                if used.first < 0:
                    used.first = at
                    touched.append(used)
                used.add(&line, side)
                most[side] = max(most[side], line.boxes)
                variants[side] += line.variant
                found.machine += not line.people
                size = line.source_ref.end - line.source_ref.start
                found.local += size < 5 or memcmp(line.source_ref.start, b"s3://", 5) != 0
                found.looks = found.looks or line.look
        found.maps = [
            ((<Spelling>one).first, (<Spelling>one).names, (<Spelling>one).taken())
            for one in touched
        ]
        found.most_boxes = (most[0], most[1])
        found.variants = (variants[0], variants[1])
        if len(self.spellings) > SPELLINGS:
            self.spellings.clear()
        return found

    cdef Spelling spelling(self, const Span* found):
        """Return a class map, None if anything about it is unusual."""
        cdef bytes spelt = PyBytes_FromStringAndSize(
            <const char*>found.start, found.end - found.start
        )
        used = self.spellings.get(spelt)
        if used is None:
            names = self.class_map(spelt)
            if names is None or max(names, default=0) >= CLASSES or min(names, default=0) < 0:
                return None
            used = self.spellings[spelt] = Spelling(names)
        return <Spelling>used

    cdef bytes digest(self, const Span* found):
        """Compute the SHA-256 of an address behind the salt."""
        cdef Py_ssize_t own = PyBytes_GET_SIZE(self.salt), size = found.end - found.start
        cdef bytes salted = PyBytes_FromStringAndSize(NULL, own + size)
        memcpy(PyBytes_AS_STRING(salted), PyBytes_AS_STRING(self.salt), own)
        memcpy(PyBytes_AS_STRING(salted) + own, found.start, size)
        return _sha256(salted).digest()


cdef int add_key(list keys, bytes digest) except -1:
    """Add to the part that the first byte tells."""
    cdef bytearray part = keys[<uint8_t>digest[KEY] * len(keys) >> 8]
    cdef Py_ssize_t size = PyByteArray_GET_SIZE(part)
    PyByteArray_Resize(part, size + KEY_SIZE)
    memcpy(PyByteArray_AS_STRING(part) + size, PyBytes_AS_STRING(digest) + KEY, KEY_SIZE)
    return 0


cdef bint is_text(Place start, Place end) except -1:
    try:
        start[:end - start].decode()
    except UnicodeDecodeError:
        return False
    return True


cdef Py_ssize_t part_of(list blocks, bytearray verdicts, int verdict, char* into) except -1:
    """Copy the lines of a verdict, each with a newline, if there is a place for them; count bytes."""
    cdef Py_ssize_t at = -1, size = 0, length, room = PyByteArray_GET_SIZE(verdicts)
    cdef Place start, end, stop
    cdef bytes block
    for block in blocks:
        stop = <Place>PyBytes_AS_STRING(block)
        end = stop + PyBytes_GET_SIZE(block)
        while stop < end:
            at += 1
            if at >= room:
                raise ValueError("more lines than verdicts")
            start = stop
            stop = next_line(start, end)
            if verdicts[at] != verdict:
                continue
            length = stop - start
            if start[length - 1] == c'\n':
                length -= 1
            if length and start[length - 1] == c'\r':
                length -= 1
            if into != NULL:
                memcpy(into + size, start, length)
                into[size + length] = c'\n'
            size += length + 1
    return size


def part(list blocks, bytearray verdicts):
    """Return the lines of verdict 1 and those of verdict 2, each line with a newline behind it.

    Raises ValueError if there are fewer verdicts than lines.
    """
    cdef bytes data
    found = []
    for side in range(SIDES):
        data = PyBytes_FromStringAndSize(NULL, part_of(blocks, verdicts, side + 1, NULL))
        part_of(blocks, verdicts, side + 1, PyBytes_AS_STRING(data))
        found.append(data)
    return found
