//! The proxies that are believed.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

/// From whom `Forwarded` and `X-Forwarded-…` are accepted: all peers, or some networks.
///
/// Clients of a unix socket are always trusted: who may open it is decided by its directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trusted {
    /// Everyone: the server can be reached through proxies only.
    All,
    /// These networks.
    Networks(Vec<IpNet>),
}

impl Trusted {
    /// What is trusted if nothing is said: this machine.
    pub const DEFAULT: &str = "127.0.0.0/8,::1";

    /// Whether a peer is trusted; none stands for a unix socket.
    pub(crate) fn contains(&self, peer: Option<IpAddr>) -> bool {
        match (self, peer) {
            (Trusted::All, _) | (_, None) => true,
            // An IPv6 listener sees IPv4 peers as addresses of IPv6.
            (Trusted::Networks(networks), Some(peer)) => {
                networks.iter().any(|network| network.contains(&peer.to_canonical()))
            }
        }
    }
}

/// `*`, or a list of addresses and networks (CIDR) between commas; an empty list trusts unix sockets only.
impl FromStr for Trusted {
    type Err = String;

    fn from_str(text: &str) -> Result<Trusted, String> {
        let mut networks = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            if part == "*" {
                return Ok(Trusted::All);
            }
            let network = part.parse().or_else(|_| part.parse::<IpAddr>().map(IpNet::from));
            let complaint = format!("{part} is no address, no network such as 10.0.0.0/8, and not *");
            networks.push(network.map_err(|_| complaint)?);
        }
        Ok(Trusted::Networks(networks))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_networks_and_all_can_be_named() {
        let contains = |list: &str, peer: &str| list.parse::<Trusted>().unwrap().contains(peer.parse().ok());
        for peer in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "unix"] {
            assert!(contains(Trusted::DEFAULT, peer), "{peer}");
        }
        assert!(!contains(Trusted::DEFAULT, "192.0.2.1"));
        assert!(
            contains("192.0.2.1, 10.0.0.0/8", "10.1.2.3") && contains("192.0.2.1,10.0.0.0/8", "192.0.2.1")
        );
        assert!(!contains("192.0.2.1,10.0.0.0/8", "192.0.2.2") && !contains("192.0.2.1", "127.0.0.1"));
        assert!(contains("*", "192.0.2.2") && contains("192.0.2.1,*", "2001:db8::1"));
        assert!(!contains("", "127.0.0.1") && contains("", "unix"));
        assert!("10.0.0.0/33".parse::<Trusted>().is_err() && "proxy".parse::<Trusted>().is_err());
    }
}
