package authserver

import (
	"context"
	"errors"
	"time"

	"github.com/doorward-mcp/doorward/grant"
	"github.com/doorward-mcp/doorward/oauth"
	"github.com/doorward-mcp/doorward/token"
)

// deviceCode is the device_code grant. RFC 8628 §3.4, §3.5.
func (s *Server) deviceCode(ctx context.Context, a ask) (act, error) {
	c := grant.Code{Raw: token.NewSecret(a.params.Get("device_code")), Client: a.client.ID, Device: true}
	if c.Raw.Empty() {
		return nil, oauth.InvalidRequest("no_device_code", "the request has no device_code")
	}
	d, soon, err := s.c.Store.Devices.Poll(ctx, a.info.Now, c.Hash())
	switch {
	case errors.Is(err, ErrNotFound): // answered, or never begun
		return s.redeemed(ctx, a, c)
	case err != nil:
		return nil, err
	case d.Client != a.client.ID:
		return nil, refusal(grant.Refused)
	}
	return nil, waiting(a.info.Now, d, soon)
}

// waiting is the answer while nobody has allowed the device. RFC 8628 §3.5.
func waiting(now time.Time, d Device, soon bool) *oauth.Error {
	switch {
	case d.Declined:
		return &oauth.Error{Status: 400, Code: "access_denied", Reason: "declined", Description: "the person declined"}
	case !now.Before(d.Until):
		return &oauth.Error{Status: 400, Code: "expired_token", Reason: "device_code_expired", Description: "nobody answered in time; begin again"}
	case soon:
		return &oauth.Error{Status: 400, Code: "slow_down", Reason: pending, Description: "wait five seconds longer between two requests"}
	}
	return &oauth.Error{Status: 400, Code: "authorization_pending", Reason: pending, Description: "the person has not answered yet"}
}

// pending is the reason of an answer that is no refusal.
const pending = "pending"
