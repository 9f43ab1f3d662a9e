package verify

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// A segment is a file of frames: the length of a record and the CRC-32C of its bytes, both four bytes in big-endian order,
// then the record. The CRC tells a torn tail from a whole record; it proves nothing.
const (
	FrameHead = 8
	MaxRecord = 1<<16 - 1 // bytes of one record: what an entry of C2SP tlog-tiles can have
)

// ErrFrame is the error of bytes that begin with no whole frame.
var ErrFrame = errors.New("no whole record")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// AppendFrame appends the frame of a record.
func AppendFrame(to, record []byte) []byte {
	to = binary.BigEndian.AppendUint32(to, uint32(len(record)))
	to = binary.BigEndian.AppendUint32(to, crc32.Checksum(record, castagnoli))
	return append(to, record...)
}

// Frame is the first record of b and what follows it.
func Frame(b []byte) (record, rest []byte, err error) {
	if len(b) < FrameHead {
		return nil, nil, ErrFrame
	}
	n := binary.BigEndian.Uint32(b)
	if n == 0 || n > MaxRecord || int(n) > len(b)-FrameHead {
		return nil, nil, ErrFrame
	}
	record, rest = b[FrameHead:FrameHead+n], b[FrameHead+n:]
	if crc32.Checksum(record, castagnoli) != binary.BigEndian.Uint32(b[4:]) {
		return nil, nil, ErrFrame
	}
	return record, rest, nil
}
