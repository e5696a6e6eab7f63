//! What the brokers of a cluster are configured with.

use std::fmt::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::sync::atomic::{AtomicU16, Ordering};

const COMMON: &str = include_str!("../../kafka/server.properties");
const ONE: &str = include_str!("../../kafka/one.properties");
const THREE: &str = include_str!("../../kafka/three.properties");
const SASL: &str = include_str!("../../kafka/sasl.properties");

/// What kind of cluster is started.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One node that is broker and controller: soonest up, and not to be killed (see [`Kind::Single`]).
    Shared,
    /// One broker, and a controller apart from it that survives it.
    ///
    /// A broker that is its own controller comes back believing that it still leads everything, and a moment later is
    /// told that nothing has a leader. If its transaction coordinator then holds a commit whose markers were not written
    /// before the kill, Kafka 4.3.1 takes the leaderless partitions for deleted ones, skips the markers and calls the
    /// transaction complete: a `read_committed` reader waits there for ever. A controller that has fenced the dead broker
    /// before it comes back never shows it such a moment.
    Single,
    /// Three nodes, each broker and controller, everything replicated.
    Three,
    /// One node that wants a login and checks rights.
    Sasl,
}

/// The ports of one node, all on the loopback interface.
#[derive(Clone, Copy)]
pub struct Ports {
    /// Clients and other brokers, without login.
    pub plain: u16,
    /// Controllers.
    pub controller: u16,
    /// Clients with login, where the cluster has it.
    pub sasl: u16,
}

impl Ports {
    /// Ports that nobody listens on.
    pub fn free() -> Self {
        Self { plain: free_port(), controller: free_port(), sasl: free_port() }
    }
}

/// The node id of the controller that is nothing else.
pub const CONTROLLER: i32 = 101;

impl Kind {
    /// The ids of the nodes, in the order in which they are started.
    pub const fn ids(self) -> &'static [i32] {
        match self {
            Self::Shared | Self::Sasl => &[1],
            Self::Single => &[CONTROLLER, 1],
            Self::Three => &[1, 2, 3],
        }
    }

    /// The `server.properties` of node `id` with data in `data`; `all` are the ids and ports of all nodes.
    pub fn properties(self, id: i32, all: &[(i32, Ports)], data: &Path) -> String {
        let own = all.iter().find(|(other, _)| *other == id).expect("a node knows its own ports").1;
        let mut text = format!("{COMMON}\n{}\n", if self == Self::Three { THREE } else { ONE });
        if self == Self::Sasl {
            text.push_str(SASL);
        }
        let voters = all.iter().filter(|(other, _)| self.role(*other) != Role::Broker);
        let voters: Vec<String> = voters.map(|(id, ports)| format!("{id}@127.0.0.1:{}", ports.controller)).collect();
        let clients = self.client_listeners(own);
        let controllers = format!("CONTROLLER://127.0.0.1:{}", own.controller);
        let role = match self.role(id) {
            Role::Controller => format!("process.roles=controller\nlisteners={controllers}"),
            Role::Broker => format!("process.roles=broker\nlisteners={clients}\ninter.broker.listener.name=BROKER"),
            Role::Both => {
                format!("process.roles=broker,controller\nlisteners={clients},{controllers}\ninter.broker.listener.name=BROKER")
            }
        };
        let (voters, data) = (voters.join(","), data.display());
        writeln!(text, "\nnode.id={id}\nlog.dirs={data}\ncontroller.quorum.voters={voters}\n{role}").expect("a string takes all");
        text
    }

    fn role(self, id: i32) -> Role {
        match (self, id) {
            (Self::Single, CONTROLLER) => Role::Controller,
            (Self::Single, _) => Role::Broker,
            _ => Role::Both,
        }
    }

    fn client_listeners(self, ports: Ports) -> String {
        let plain = format!("BROKER://127.0.0.1:{}", ports.plain);
        if self == Self::Sasl { format!("{plain},SASL://127.0.0.1:{}", ports.sasl) } else { plain }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Broker,
    Controller,
    Both,
}

/// A port that nobody listens on, from below the range out of which systems give ports to outgoing connections: while a
/// broker is down, no client's connection (not even one that tries to reach that broker) can take its port.
fn free_port() -> u16 {
    const FIRST: u16 = 12_000;
    const COUNT: u16 = 20_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test processes that run side by side begin at different places.
    let start = u16::try_from(std::process::id().wrapping_mul(101) % u32::from(COUNT)).expect("smaller than COUNT");
    for _ in 0..COUNT {
        let port = FIRST + start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port from {FIRST} to {}", FIRST + COUNT);
}
