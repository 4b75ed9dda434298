//! IP addresses and networks in CIDR notation (STIX 2.1 §6.9, §6.10; RFC 4632 §3.1).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// An address of one kind, or of either.
pub trait Address: FromStr {
    /// The longest prefix of a network that it is in, in bits.
    fn longest_prefix(&self) -> u8;
}

impl Address for Ipv4Addr {
    fn longest_prefix(&self) -> u8 {
        32
    }
}

impl Address for Ipv6Addr {
    fn longest_prefix(&self) -> u8 {
        128
    }
}

impl Address for IpAddr {
    fn longest_prefix(&self) -> u8 {
        if self.is_ipv4() { 32 } else { 128 }
    }
}

/// Whether `text` is an address, or an address and the length of its network's prefix.
pub fn is_network<A: Address>(text: &str) -> bool {
    let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
    let Ok(address) = address.parse::<A>() else { return false };
    let written_as = |prefix: &str, bits: u8| bits <= address.longest_prefix() && bits.to_string() == prefix;
    prefix.is_none_or(|prefix| prefix.parse().is_ok_and(|bits| written_as(prefix, bits)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_or_a_network_and_nothing_else() {
        for text in ["198.51.100.3", "198.51.100.0/24", "0.0.0.0/0", "198.51.100.3/32"] {
            assert!(
                is_network::<Ipv4Addr>(text) && is_network::<IpAddr>(text) && !is_network::<Ipv6Addr>(text),
                "{text}"
            );
        }
        for text in ["2001:db8::/32", "::1", "::ffff:198.51.100.3", "::/0"] {
            assert!(is_network::<Ipv6Addr>(text) && is_network::<IpAddr>(text), "{text}");
        }
        for text in [
            "",
            "198.51.100",
            "198.51.100.0/33",
            "198.51.100.0/08",
            "198.51.100.0/+8",
            "::/129",
            "::/",
            "01.2.3.4",
            "a/8",
        ] {
            assert!(!is_network::<IpAddr>(text), "{text}");
        }
    }
}
