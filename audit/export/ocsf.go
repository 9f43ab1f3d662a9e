package export

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/doorward-mcp/doorward/audit/verify"
)

// OCSF writes records as events of the Open Cybersecurity Schema Framework 1.9.0, one JSON object a line. Calls are API
// Activity, sign-ins Authentication, changes of people Account Change, what gives power Authorize Session, all else Entity
// Management. An intent and its outcome are two events with one correlation_uid.
//
// raw_data is the record as it is, raw_data_hash its SHA-256. The attestation's fingerprint is the leaf hash of raw_data and not
// one of the event, which is said by its algorithm and serialization: with it, the event is proven by the log's checkpoints.
// People, addresses and typed names stay what they are in the log: pseudonyms and commitments.
type OCSF struct {
	Origin  string // of the log
	Version string // of this program
}

// object is a JSON object of the schema; encoding/json sorts its members.
type object = map[string]any

// Line is the event of a record, without the end of line.
func (o OCSF) Line(r Record) ([]byte, error) {
	e := r.Entry
	c, act := classify(e)
	ev := object{
		"category_uid": c.category, "class_uid": c.uid, "class_name": c.name,
		"activity_id": act, "type_uid": c.uid*100 + int(act),
		"severity_id": gravity(e), "time": milliseconds(e.Time),
		"metadata": o.metadata(r, c),
		"raw_data": string(r.Raw), "raw_data_hash": fingerprint(r.Raw),
		"attestation_list": []object{o.attestation(r)},
	}
	if act == otherActivity {
		ev["activity_name"] = orUnknown(e.Code)
	}
	status(ev, e)
	if e.Count > 1 {
		ev["count"] = e.Count
	}
	if e.Micros > 0 {
		ev["duration"] = e.Micros / 1000
	}
	if c.uid != none.uid {
		ev["actor"] = actor(e)
		ev["src_endpoint"] = endpoint(e)
		agent(ev, e)
	}
	switch c.uid {
	case apiActivity.uid:
		calls(ev, e)
	case accountChange.uid:
		ev["user"] = user(e)
	case authentication.uid:
		ev["user"] = user(e)
		ev["service"] = object{"name": "Doorward", "uid": o.Origin}
	case authorizing.uid:
		ev["user"] = user(e)
		ev["privileges"] = privileges(e)
	case entities.uid:
		ev["entity"] = entity(e)
	}
	b, err := json.Marshal(ev)
	if err != nil {
		return nil, fmt.Errorf("writing record %d as OCSF: %w", r.Index, err)
	}
	return b, nil
}

func (o OCSF) metadata(r Record, c class) object {
	m := object{
		"version": "1.9.0", "log_name": o.Origin, "uid": o.Origin + "#" + strconv.FormatInt(r.Index, 10),
		"product":  object{"name": "Doorward", "vendor_name": "Doorward", "version": o.Version},
		"profiles": c.profiles,
	}
	e := r.Entry
	set(m, "event_code", e.Code)
	set(m, "correlation_uid", e.ID)
	set(m, "original_time", e.Time)
	if e.Seq > 0 {
		m["sequence"] = e.Seq
	}
	return m
}

// attestation says where the record stands in the log.
func (o OCSF) attestation(r Record) object {
	hash := tlog.RecordHash(r.Raw)
	return object{
		"uid": strconv.FormatInt(r.Index, 10), "chain_uid": o.Origin, "authority_uid": o.Origin,
		"fingerprint": object{
			"algorithm_id": 99, "algorithm": "RFC 6962 leaf hash with SHA-256",
			"serialization_id": 99, "serialization": "raw_data",
			"encoding_id": 1, "encoding": "Hex", "value": hex.EncodeToString(hash[:]),
		},
	}
}

// status says what came of it. What was only intended has not come to anything.
func status(ev object, e verify.Entry) {
	id, name := 99, e.Phase
	switch {
	case e.Phase == verify.Refusal || e.Result == "refused" || e.Result == "failed":
		id, name = 2, "Failure"
	case e.Phase == verify.Outcome && e.Result == "unknown":
		id, name = 0, "Unknown"
	case e.Phase == verify.Outcome || e.Phase == verify.Notice:
		id, name = 1, "Success"
	}
	ev["status_id"], ev["status"] = id, orUnknown(name)
	set(ev, "status_code", e.Reason)
	set(ev, "status_detail", e.Result)
}

// gravity is severity_id: Informational, Low, Medium or High.
func gravity(e verify.Entry) int {
	switch severity(e) {
	case 2:
		return 4
	case 4:
		return 3
	case 5:
		return 2
	}
	return 1
}

func milliseconds(t string) int64 {
	at, err := time.Parse(time.RFC3339Nano, t)
	if err != nil {
		return 0
	}
	return at.UnixMilli()
}

func set(o object, name, value string) {
	if value != "" {
		o[name] = value
	}
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}
