//! Files that are broken: they change nothing, and raise an alarm.

use super::{discover, proven};
use crate::support::Server;
use crate::support::pki::Ca;
use rcgen::KeyPair;
use std::fs;

const FILES: usize = 500;

/// Numbers that look random and are the same every time (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end.max(1) as u64).unwrap()
    }
}

/// The octets, broken in one of many ways.
fn broken(octets: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut octets = octets.to_vec();
    let at = numbers.below(octets.len());
    match numbers.below(7) {
        0 => octets.truncate(at),
        1 => octets[at] ^= 1 << numbers.below(8),
        2 => drop(octets.drain(at..(at + 1 + numbers.below(64)).min(octets.len()))),
        3 => octets.splice(at..at, [0xFF; 9]).for_each(drop),
        4 => octets[at..].iter_mut().for_each(|octet| *octet = octet.wrapping_mul(31)),
        5 => octets.rotate_left(at),
        _ => (0..20).for_each(|_| {
            let at = numbers.below(octets.len());
            octets[at] = u8::try_from(numbers.below(256)).unwrap();
        }),
    }
    octets
}

#[test]
fn a_broken_file_changes_nothing_and_raises_an_alarm() {
    let server = Server::start();
    let pki = server.pki();
    let member = Ca::new("Members");
    let below = member.below(KeyPair::generate().unwrap(), "Below", |_| ());
    for folder in ["intermediates", "crls"] {
        fs::create_dir_all(pki.join(folder)).unwrap();
    }
    let list = member.crl(&(1..50).collect::<Vec<_>>(), |_| ());
    for (name, text) in
        [("anchors/members.pem", &member.pem), ("intermediates/below.pem", &below.pem), ("crls/members.pem", &list)]
    {
        fs::write(pki.join(name), text).unwrap();
    }
    let der = rustls_pem_to_der(&below.crl(&[1, 2, 3], |_| ()));
    fs::write(pki.join("crls/below.crl"), der).unwrap();
    assert!(server.reread());
    let actor = server.actor("reader");
    let mut live = proven(&actor);
    let mut numbers = Numbers(0x5EED);
    let mut refused = 0;
    for n in 0..FILES {
        let name = [
            "server.pem",
            "server.key",
            "ca.pem",
            "anchors/members.pem",
            "intermediates/below.pem",
            "crls/members.pem",
            "crls/below.crl",
        ][n % 7];
        let file = pki.join(name);
        let good = fs::read(&file).unwrap();
        fs::write(&file, broken(&good, &mut numbers)).unwrap();
        // What was only bent may still be good: an anchor's own signature is nobody's concern.
        if !server.reread() {
            refused += 1;
            discover(&mut live).must_be(200);
            actor.get("/taxii2/").must_be(200);
            assert!(server.metrics().contains("entente_tls_material_ok 0"));
        }
        fs::write(&file, good).unwrap();
        assert!(server.reread(), "{name}");
        discover(&mut live).must_be(200);
    }
    assert!(refused > FILES * 8 / 10, "{refused} of {FILES}");
    let metrics = server.metrics();
    assert!(metrics.contains("entente_tls_material_ok 1"), "{metrics}");
}

fn rustls_pem_to_der(pem: &str) -> Vec<u8> {
    use rustls::pki_types::pem::PemObject as _;
    rustls::pki_types::CertificateRevocationListDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec()
}
