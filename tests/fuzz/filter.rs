//! A query string: values in which nothing is malformed, the same however they are written.
#![no_main]

use entente::taxii::filter::{Endpoint, Filter, MAX_VALUES, Query, Versions, dry_run};
use libfuzzer_sys::fuzz_target;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

fuzz_target!(|raw: &str| {
    if let Ok(query) = Query::parse(raw, Endpoint::Collection) {
        sound(&query);
        assert_eq!(Query::parse(&written(&query), Endpoint::Collection).as_ref(), Ok(&query));
        // An endpoint that defines fewer parameters ignores the others.
        let object = Query::parse(raw, Endpoint::Object).unwrap();
        let filter = query.filter.map(|filter| Filter { ids: None, types: None, ..filter });
        assert_eq!(object.filter.unwrap_or_default(), filter.unwrap_or_default());
        assert_eq!((object.added_after, object.limit, object.next), (query.added_after, query.limit, query.next));
    }
    if let Ok(query) = Query::parse(raw, Endpoint::Versions) {
        let filter = query.filter.unwrap_or_default();
        assert_eq!(filter, Filter { specs: filter.specs.clone(), ..Filter::default() });
    }
    if let Ok(query) = Query::parse(raw, Endpoint::Deletion) {
        // Nothing that could have narrowed a deletion was ignored.
        let object = Query::parse(raw, Endpoint::Object).unwrap();
        assert_eq!(query, object);
        assert_eq!((query.added_after, query.limit, query.next), (None, None, None));
    }
    // Whoever asks for a trial, whatever else he asks, gets that or an error.
    assert_ne!(dry_run(&format!("{raw}&x_entente_dry_run=true")), Ok(false));
});

fn sound(query: &Query) {
    assert_ne!(query.limit, Some(0));
    assert_ne!(query.next.as_deref(), Some(""));
    let Some(filter) = &query.filter else { return };
    for values in [&filter.ids, &filter.types].into_iter().flatten() {
        assert!((1..=MAX_VALUES).contains(&values.len()));
        assert!(values.iter().all(|value| !value.is_empty() && value.trim() == value && !value.contains(',')));
    }
}

/// A query string that asks for this.
fn written(query: &Query) -> String {
    let filter = query.filter.clone().unwrap_or_default();
    // Only versions that do not exist were asked for.
    let specs = |specs: Vec<_>| if specs.is_empty() { "9.9".to_owned() } else { join(specs) };
    let parameters = [
        ("added_after", query.added_after.map(|time| time.to_string())),
        ("limit", query.limit.map(|limit| limit.to_string())),
        ("next", query.next.clone()),
        ("match[id]", filter.ids.map(join)),
        ("match[type]", filter.types.map(join)),
        ("match[version]", query.filter.is_some().then(|| versions(filter.versions))),
        ("match[spec_version]", filter.specs.map(specs)),
    ];
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let given = parameters.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
    given.map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect::<Vec<_>>().join("&")
}

fn versions(versions: Versions) -> String {
    match versions {
        Versions::All => "all".to_owned(),
        Versions::Only { first, last, instants } => {
            let words = [(first, "first"), (last, "last")].into_iter().filter(|(asked, _)| *asked);
            let words = words.map(|(_, word)| word.to_owned());
            join(words.chain(instants.iter().map(|instant| format!("{instant}Z"))).collect())
        }
    }
}

fn join<T: ToString>(values: Vec<T>) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}
