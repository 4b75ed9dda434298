//! The whole URL table. Paths are matched as they were sent: no segment that means
//! anything needs percent-encoding, so one with a `%` means nothing, and two different
//! paths never name one thing. A trailing slash may be missing.

use super::answer::Answer;
use super::error::Problem;
use super::{Asked, api_root, collections, discovery, hold, manifest, object, objects, status, versions, whoami};
use crate::taxii::api_root::RESERVED;
use actix_http::{Method, Payload};

/// Where a caller is told what it is: below a name that no root has.
const WHOAMI: &str = "x-entente/whoami";

/// What a path names. A root is its path without the slashes around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route<'p> {
    Discovery,
    Whoami,
    Root(&'p str),
    Status(&'p str, &'p str),
    Collections(&'p str),
    Collection(&'p str, &'p str),
    Manifest(&'p str, &'p str),
    Objects(&'p str, &'p str),
    Object(&'p str, &'p str, &'p str),
    Versions(&'p str, &'p str, &'p str),
    Holds(&'p str, &'p str),
    Hold(&'p str, &'p str, &'p str),
}

impl<'p> Route<'p> {
    /// Reads a path.
    pub(super) fn of(path: &'p str) -> Option<Self> {
        let path = path.strip_prefix('/')?;
        let path = path.strip_suffix('/').unwrap_or(path);
        if path.contains('%') || path.split('/').any(str::is_empty) {
            return None;
        }
        if path == "taxii2" {
            return Some(Self::Discovery);
        }
        if path == WHOAMI {
            return Some(Self::Whoami);
        }
        let Some((root, below)) = split_at_reserved(path) else { return Some(Self::Root(path)) };
        // One more than any of them has; behind the last there are empty ones, and only there.
        let mut segments = [""; 6];
        segments.iter_mut().zip(below.split('/')).for_each(|(place, segment)| *place = segment);
        match segments {
            ["status", id, "", ..] if !id.is_empty() => Some(Self::Status(root, id)),
            ["collections", "", ..] => Some(Self::Collections(root)),
            ["collections", id, "", ..] => Some(Self::Collection(root, id)),
            ["collections", id, "manifest", "", ..] => Some(Self::Manifest(root, id)),
            ["collections", id, "objects", "", ..] => Some(Self::Objects(root, id)),
            ["collections", id, "objects", object, "", ..] => Some(Self::Object(root, id, object)),
            ["collections", id, "objects", object, "versions", ""] => Some(Self::Versions(root, id, object)),
            ["collections", id, "x_entente_hold", "", ..] => Some(Self::Holds(root, id)),
            ["collections", id, "x_entente_hold", hold, "", ..] => Some(Self::Hold(root, id, hold)),
            _ => None,
        }
    }

    /// The endpoint's name, for the log and the metrics.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Discovery => "discovery",
            Self::Whoami => "whoami",
            Self::Root(..) => "api_root",
            Self::Status(..) => "status",
            Self::Collections(..) => "collections",
            Self::Collection(..) => "collection",
            Self::Manifest(..) => "manifest",
            Self::Objects(..) => "objects",
            Self::Object(..) => "object",
            Self::Versions(..) => "versions",
            Self::Holds(..) => "holds",
            Self::Hold(..) => "hold",
        }
    }

    fn allow(self) -> &'static str {
        match self {
            Self::Objects(..) | Self::Holds(..) => "GET, HEAD, POST",
            Self::Hold(..) => "DELETE",
            Self::Object(..) => "GET, HEAD, DELETE",
            _ => "GET, HEAD",
        }
    }

    /// Answers a request. `HEAD` is answered as `GET`; the body is left out on the wire.
    pub(super) async fn answer(self, asked: &Asked<'_>, payload: &mut Payload) -> Result<Answer, Problem> {
        let get = [Method::GET, Method::HEAD].contains(&asked.head.method);
        match self {
            Self::Discovery if get => discovery::get(asked),
            Self::Whoami if get => whoami::get(asked),
            Self::Root(root) if get => api_root::get(asked, root),
            Self::Status(root, id) if get => status::get(asked, root, id),
            Self::Collections(root) if get => collections::get(asked, root),
            Self::Collection(root, id) if get => collections::get_one(asked, root, id),
            Self::Manifest(root, id) if get => manifest::get(asked, root, id).await,
            Self::Objects(root, id) if get => objects::get(asked, root, id).await,
            Self::Objects(root, id) if asked.head.method == Method::POST => {
                objects::post(asked, root, id, payload).await
            }
            Self::Object(root, id, object) if get => object::get(asked, root, id, object).await,
            Self::Object(root, id, object) if asked.head.method == Method::DELETE => {
                object::delete(asked, root, id, object).await
            }
            Self::Versions(root, id, object) if get => versions::get(asked, root, id, object).await,
            Self::Holds(root, id) if get => hold::get(asked, root, id).await,
            Self::Holds(root, id) if asked.head.method == Method::POST => hold::post(asked, root, id, payload).await,
            Self::Hold(root, id, hold) if asked.head.method == Method::DELETE => {
                hold::delete(asked, root, id, hold).await
            }
            _ => Err(self.wrong_method(asked)),
        }
    }

    /// 405, unless the caller may not know that there is anything: then 404.
    fn wrong_method(self, asked: &Asked<'_>) -> Problem {
        let known = match self {
            Self::Discovery | Self::Whoami => Ok(()),
            Self::Root(root) | Self::Status(root, _) | Self::Collections(root) => {
                asked.session.api_root(root).map(drop)
            }
            Self::Collection(root, id)
            | Self::Manifest(root, id)
            | Self::Objects(root, id)
            | Self::Object(root, id, _)
            | Self::Versions(root, id, _)
            | Self::Holds(root, id)
            | Self::Hold(root, id, _) => asked.session.collection(root, id).map(drop),
        };
        known.map_or_else(Problem::from, |()| Problem::method_not_allowed(self.allow()))
    }
}

/// Parts a path before its first segment that has a meaning of its own below a root.
fn split_at_reserved(path: &str) -> Option<(&str, &str)> {
    let mut start = 0;
    for segment in path.split('/') {
        if RESERVED.contains(&segment) {
            return Some((path[..start].trim_end_matches('/'), &path[start..]));
        }
        start += segment.len() + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_names_one_thing_or_nothing() {
        for (path, expected) in [
            ("/taxii2/", Some(Route::Discovery)),
            ("/taxii2", Some(Route::Discovery)),
            ("/x-entente/whoami", Some(Route::Whoami)),
            ("/x-entente", Some(Route::Root("x-entente"))),
            ("/api1/", Some(Route::Root("api1"))),
            ("/taxii2/api1", Some(Route::Root("taxii2/api1"))),
            ("/a/b/status/s/", Some(Route::Status("a/b", "s"))),
            ("/api1/collections", Some(Route::Collections("api1"))),
            ("/api1/collections/c/", Some(Route::Collection("api1", "c"))),
            ("/api1/collections/c/manifest/", Some(Route::Manifest("api1", "c"))),
            ("/api1/collections/c/objects/", Some(Route::Objects("api1", "c"))),
            ("/api1/collections/c/objects/o/", Some(Route::Object("api1", "c", "o"))),
            ("/api1/collections/c/objects/o/versions/", Some(Route::Versions("api1", "c", "o"))),
            ("/api1/collections/c/object/o/", None),
            ("/api1/collections/c/objects/o/versions/x/", None),
            ("/api1/status/", None),
            ("/api1/channels/", None),
            ("/", None),
            ("", None),
            ("*", None),
            ("//taxii2/", None),
            ("/taxii2//", None),
            ("/api1//collections/", None),
            ("/taxii%32/", None),
            ("/api1/collections/c/objects/%2e%2e%2f/", None),
        ] {
            assert_eq!(Route::of(path), expected, "{path}");
        }
        // No root has an empty name, so these name nothing that exists.
        assert_eq!(Route::of("/collections/"), Some(Route::Collections("")));
    }

    /// The path of what a path names, with its slash at the end.
    fn path_of(route: Route<'_>) -> String {
        match route {
            Route::Discovery => "/taxii2/".to_owned(),
            Route::Whoami => format!("/{WHOAMI}/"),
            Route::Root(root) => format!("/{root}/"),
            Route::Status(root, id) => format!("/{root}/status/{id}/"),
            Route::Collections(root) => format!("/{root}/collections/"),
            Route::Collection(root, id) => format!("/{root}/collections/{id}/"),
            Route::Manifest(root, id) => format!("/{root}/collections/{id}/manifest/"),
            Route::Objects(root, id) => format!("/{root}/collections/{id}/objects/"),
            Route::Object(root, id, object) => format!("/{root}/collections/{id}/objects/{object}/"),
            Route::Versions(root, id, object) => format!("/{root}/collections/{id}/objects/{object}/versions/"),
            Route::Holds(root, id) => format!("/{root}/collections/{id}/x_entente_hold/"),
            Route::Hold(root, id, hold) => format!("/{root}/collections/{id}/x_entente_hold/{hold}/"),
        }
    }

    /// Whole numbers that follow from a seed.
    fn draw(seed: &mut u64, below: usize) -> usize {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(*seed >> 33).unwrap() % below
    }

    /// A path out of what paths are made of, and of what makes two of them look alike.
    fn any_path(seed: &mut u64) -> String {
        const PARTS: &str = "/ / / / // . .. /./ /../ %2f %2F %2e%2e %00 % ; ;v=1 \\ : ~ a A é x-entente whoami taxii2 \
                             collections Collections status objects manifest versions x_entente_hold api1";
        const WHOLE: [&str; 7] = [
            "/",
            "/taxii2/",
            "/x-entente/whoami",
            "/api1/collections/c/objects/indicator--1/versions/",
            "/a/b/collections/c/manifest",
            "/api1/status/s/",
            "/api1/collections",
        ];
        let parts: Vec<&str> = PARTS.split_whitespace().collect();
        let mut path = WHOLE[draw(seed, WHOLE.len())].to_owned();
        for _ in 0..draw(seed, 10) {
            let at = draw(seed, path.len() + 1);
            let at = (0..=at).rev().find(|at| path.is_char_boundary(*at)).unwrap();
            if draw(seed, 4) == 0 && at < path.len() {
                path.remove(at);
            } else {
                path.insert_str(at, parts[draw(seed, parts.len())]);
            }
        }
        path
    }

    /// What a path names says what the path was, but for the slash at its end: so no two different
    /// paths name one thing.
    #[test]
    fn a_million_paths_each_name_one_thing_or_nothing() {
        let (mut seed, mut named) = (7, 0);
        for _ in 0..1_000_000 {
            let path = any_path(&mut seed);
            let Some(route) = Route::of(&path) else { continue };
            named += 1;
            let with_slash = if path.ends_with('/') { path.clone() } else { format!("{path}/") };
            // No root has an empty name: what has one is nowhere.
            let no_root = path.starts_with("/collections") || path.starts_with("/status");
            assert_eq!(path_of(route).replacen("//", "/", usize::from(no_root)), with_slash, "{route:?}");
        }
        assert!(named > 100_000, "{named}");
    }
}
