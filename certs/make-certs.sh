#!/bin/sh
# Makes a CA, a server certificate and a member's client certificate with stock
# OpenSSL (3.0 or later). What OUTDIR already holds is kept, so that the same CA
# serves the next host and the next member.
set -eu
umask 077

usage='usage: make-certs.sh OUTDIR HOST ORG

  OUTDIR  folder for keys and certificates, made if absent
  HOST    DNS name or IP address under which clients reach the server
  ORG     the member: letters, digits, dot, dash, underscore'

refuse() {
    printf '%s\n' "$1" >&2
    exit 2
}

[ $# -eq 3 ] || refuse "$usage"
out=$1 host=$2 org=$3
settings=$(dirname "$0")/certificates.cnf

case $host in
    '' | [!A-Za-z0-9:]* | *[!A-Za-z0-9.:-]*) refuse "not a host name or address: '$host'" ;;
    *:*) san=IP:$host ;;
    *[!0-9.]*) san=DNS:$host ;;
    *) san=IP:$host ;;
esac
case $org in
    '' | [!A-Za-z0-9]* | *[!A-Za-z0-9._-]*) refuse "not a name for a member: '$org'" ;;
esac

ca=$out/ca
server=$out/server-$host
client=$out/client-$org

# with_new_key KEY ARGUMENTS...: `openssl req` with a fresh P-256 key, 0600.
with_new_key() {
    key=$1
    shift
    [ ! -e "$key" ] || refuse "$key is there without its certificate; move it away first"
    openssl req -config "$settings" -newkey ec -pkeyopt ec_paramgen_curve:P-256 \
        -noenc -keyout "$key" "$@"
}

# finish NAME: a certificate gets its name only once it is whole.
finish() {
    chmod 644 "$1.pem.new"
    mv "$1.pem.new" "$1.pem"
    printf 'made %s.pem\n' "$1"
}

mkdir -p "$out"

if [ ! -e "$ca.pem" ]; then
    with_new_key "$ca.key" -x509 -days 3650 -extensions ca \
        -subj '/CN=Members CA' -out "$ca.pem.new"
    finish "$ca"
fi

if [ ! -e "$server.pem" ]; then
    with_new_key "$server.key" -x509 -days 397 -extensions server \
        -addext "subjectAltName=$san" -CA "$ca.pem" -CAkey "$ca.key" \
        -subj '/CN=TAXII server' -out "$server.pem.new"
    finish "$server"
fi

if [ ! -e "$client.pem" ]; then
    with_new_key "$client.key" -subj "/CN=$org" -out "$client.csr"
    openssl x509 -req -in "$client.csr" -days 397 -extfile "$settings" -extensions client \
        -CA "$ca.pem" -CAkey "$ca.key" -out "$client.pem.new"
    rm "$client.csr"
    finish "$client"
fi
