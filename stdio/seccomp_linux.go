package stdio

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Where seccomp_data (seccomp(2)) has what the filter looks at. Both architectures have the lower half of an argument first.
const (
	atNumber   = 0
	atArch     = 4
	atArgument = 16
)

// x32 is the bit of system calls of amd64's other ABI, whose numbers the filter does not know.
const x32 = 0x40000000

// seccomp keeps this thread from making sockets that the sandbox does not let out. Landlock knows TCP alone, neither UDP nor the Unix sockets
// at which services of this machine, our own administration among them, take whoever has our user for us.
func (s Sandbox) seccomp() error {
	filter, err := s.filter()
	if err != nil || len(filter) == 0 {
		return err
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0); err != nil {
		return fmt.Errorf("closing the network: %w", err)
	}
	return nil
}

// filter is the program that the kernel runs at each system call; empty: none.
func (s Sandbox) filter() ([]unix.SockFilter, error) {
	var domains []uint32 // that may be had
	switch s.Network {
	case NetworkAll:
		return nil, nil
	case NetworkInternet:
		domains = []uint32{unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK} // the last tells the C library which addresses this machine has
	case "", NetworkNone:
	default:
		return nil, fmt.Errorf("sandbox: there is no network %q: %w", s.Network, ErrUnconfined)
	}
	arch := map[string]uint32{"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64}[runtime.GOARCH]
	if arch == 0 {
		return nil, fmt.Errorf("sandbox: on %s only the network %q can be had: %w", runtime.GOARCH, NetworkAll, ErrUnconfined)
	}
	refuse := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EACCES)}
	allow := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW}
	load := func(at uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: at}
	}
	// unless goes past the next instruction if what was loaded is k.
	unless := func(k uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: k, Jt: 1}
	}
	when := func(k uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: k, Jf: 1}
	}
	f := []unix.SockFilter{load(atArch), unless(arch), refuse, load(atNumber)}
	f = append(f, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, K: x32, Jf: 1}, refuse)
	f = append(f, when(unix.SYS_IO_URING_SETUP), refuse) // it makes sockets without the call
	// A pair is good between its ends only; but one of datagrams can be sent from to any Unix socket, and raw ones are such.
	pair := []unix.SockFilter{load(atArgument + 8), {Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: 0xf},
		when(unix.SOCK_DGRAM), refuse, when(unix.SOCK_RAW), refuse, allow}
	f = append(f, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_SOCKETPAIR, Jf: uint8(len(pair))})
	f = append(append(f, pair...), unless(unix.SYS_SOCKET), allow, load(atArgument))
	for _, d := range domains {
		f = append(f, when(d), allow)
	}
	return append(f, refuse), nil
}
