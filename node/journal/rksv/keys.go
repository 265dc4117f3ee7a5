package rksv

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
)

// Keys are what a log is verified with.
type Keys struct {
	AES   AESKey
	Units map[string]*ecdsa.PublicKey // by Zert-SN
}

// How a unit's key is given.
const (
	deviceCertificate = "CERTIFICATE"
	devicePublicKey   = "PUBLIC_KEY"
)

type keyFile struct {
	Key   string                `json:"base64AESKey"`
	Units map[string]deviceFile `json:"certificateOrPublicKeyMap"`
}

type deviceFile struct {
	ID   string `json:"id"`
	Type string `json:"signatureDeviceType"`
	DER  string `json:"signatureCertificateOrPublicKey"`
}

// maxKeyFile is how many bytes a key file may have, some thousand units.
const maxKeyFile = 4 << 20

// ParseKeys reads the key file of the public verification tools: certificates or public keys on P-256, and the AES key. It
// returns [ErrFormat]. Certificates are not judged, only their keys are taken.
func ParseKeys(b []byte) (Keys, error) {
	if len(b) > maxKeyFile {
		return Keys{}, fmt.Errorf("%w: a key file of %d bytes, at most %d", ErrFormat, len(b), maxKeyFile)
	}
	var file keyFile
	if err := json.Unmarshal(b, &file); err != nil {
		return Keys{}, fmt.Errorf("%w: key file: %w", ErrFormat, err)
	}
	aes, err := ParseAESKey(file.Key)
	if err != nil {
		return Keys{}, fmt.Errorf("key file: %w", err)
	}
	keys := Keys{AES: aes, Units: make(map[string]*ecdsa.PublicKey, len(file.Units))}
	for id, device := range file.Units {
		if device.ID != id {
			return Keys{}, fmt.Errorf("%w: key file: unit %.60q is entered as %.60q", ErrFormat, device.ID, id)
		}
		if keys.Units[id], err = device.key(); err != nil {
			return Keys{}, fmt.Errorf("key file: unit %.60q: %w", id, err)
		}
	}
	return keys, nil
}

func (d deviceFile) key() (*ecdsa.PublicKey, error) {
	der, err := base64.StdEncoding.DecodeString(d.DER)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	switch d.Type {
	case deviceCertificate:
		return certificateKey(der)
	case devicePublicKey:
		public, err := x509.ParsePKIXPublicKey(der)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrFormat, err)
		}
		return onP256(public)
	}
	return nil, fmt.Errorf("%w: a device of type %.40q", ErrFormat, d.Type)
}

func certificateKey(der []byte) (*ecdsa.PublicKey, error) {
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return onP256(certificate.PublicKey)
}

func onP256(public any) (*ecdsa.PublicKey, error) {
	key, ok := public.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, fmt.Errorf("%w: not a key on P-256", ErrFormat)
	}
	return key, nil
}

// JSON returns the key file of the public verification tools. It holds the AES key, which is a secret.
func (k Keys) JSON() ([]byte, error) {
	file := keyFile{Key: k.AES.Base64(), Units: make(map[string]deviceFile, len(k.Units))}
	for id, key := range k.Units {
		der, err := x509.MarshalPKIXPublicKey(key)
		if err != nil {
			return nil, fmt.Errorf("key file: unit %s: %w", id, err)
		}
		file.Units[id] = deviceFile{ID: id, Type: devicePublicKey, DER: base64.StdEncoding.EncodeToString(der)}
	}
	return json.MarshalIndent(file, "", "  ")
}

// checkCertificate refuses a Zert-SN of the other kind of system: companies have keys in closed systems only, serial
// numbers of certificates stand in open ones.
func checkCertificate(suite, certificate string) error {
	if err := checkElement("certificate", certificate); err != nil {
		return err
	}
	if suite != SuiteClosed {
		if strings.Trim(certificate, "0123456789abcdef") != "" {
			return fmt.Errorf("%w: certificate %.60q is not a serial number in lower-case hexadecimal", ErrFormat, certificate)
		}
		return nil
	}
	company, key, ok := strings.Cut(certificate, "-")
	if !ok || key == "" || len(company) < 3 || !strings.Contains("USG", company[:1]) || company[1] != ':' {
		return fmt.Errorf("%w: %.60q does not name company and key, such as U:ATU12345678-K1", ErrFormat, certificate)
	}
	return nil
}
