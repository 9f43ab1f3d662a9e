package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"syscall"
	"time"
)

// signature is the CPU of one bare ES256 signature over as many bytes as an access token has: what every token costs at
// least. It is this process's own account, so other work on the machine counts little.
func signature(each time.Duration) (figures, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return figures{}, err
	}
	said := make([]byte, 512)
	before, n, begun := ownCPU(), 0, time.Now()
	for ; time.Since(begun) < each; n++ {
		hash := sha256.Sum256(said)
		r, s, err := ecdsa.Sign(rand.Reader, key, hash[:])
		if err != nil {
			return figures{}, err
		}
		var raw [64]byte
		r.FillBytes(raw[:32])
		s.FillBytes(raw[32:])
		copy(said, raw[:])
	}
	spent := time.Since(begun)
	one := micros(spent) / float64(n)
	return figures{perSecond: float64(n) / spent.Seconds(), p50: one, p99: one, cpu: ms(ownCPU()-before) / float64(n) * 1000}, nil
}

func ownCPU() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
