//! Operators: several who give commands at the same time, on one store.

use crate::support::clock::Still;
use crate::support::inside::{Inside, proven};
use crate::support::server::RW;
use entente::access::level::Level;
use entente::exchange::{Administering, Settings};
use entente::store::Store;
use entente::store::registry::{Downgrade, Rule, Rules};
use entente::store::sqlite::Sqlite;
use std::sync::{Arc, Barrier};

const ROUNDS: usize = 40;

/// Two operators of one store; on disk, each with a program of its own.
fn operators(inside: &Inside, in_memory: bool) -> [Administering; 2] {
    let store = || -> Arc<dyn Store> {
        if in_memory {
            Arc::clone(&inside.store)
        } else {
            Arc::new(Sqlite::open(inside.folder(), inside.clock.clock()).unwrap())
        }
    };
    ["one", "two"].map(|name| Administering::new(store(), inside.clock.clock(), Settings::default(), name).unwrap())
}

#[test]
fn what_two_operators_change_at_the_same_time_is_changed_both() {
    for in_memory in [true, false] {
        let inside = Inside::at(in_memory, Still::default());
        inside.add_collection(RW, "Read and write", Rules::default());
        ["north", "south"].iter().for_each(|name| inside.add_organisation(name));
        let [one, two] = operators(&inside, in_memory);
        for n in 0..ROUNDS {
            let anchor = proven(&format!("anchor {n}")).certificate.clone();
            let (ceiling, downgrade) =
                if n % 2 == 0 { (Level::Amber, Downgrade::Quarantine) } else { (Level::Red, Downgrade::Allow) };
            let together = Barrier::new(2);
            let change = |operator: &Administering, organisation: &str, rule| {
                together.wait();
                operator.bind_anchor(&anchor, &[organisation.to_owned()]).unwrap();
                together.wait();
                operator.set_rules(RW, &[rule]).unwrap();
            };
            std::thread::scope(|scope| {
                scope.spawn(|| change(&one, "north", Rule::Ceiling(ceiling)));
                scope.spawn(|| change(&two, "south", Rule::Downgrade(downgrade)));
            });
            let registry = inside.store.registry().unwrap();
            assert_eq!(registry.anchor(anchor.fingerprint).unwrap().organisations.len(), 2, "round {n}");
            let rules = registry.collections[0].rules;
            assert_eq!((rules.ceiling, rules.downgrade), (ceiling, downgrade), "round {n}");
        }
    }
}
