//! What somebody may have meant.

/// The name that is spelled most like this one, if any is spelled much like it.
pub fn nearest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    let distance = |candidate: &str| strsim::osa_distance(&name, &candidate.to_lowercase());
    let (edits, nearest) = names.into_iter().map(|candidate| (distance(candidate), candidate)).min()?;
    (edits <= name.chars().count().div_ceil(3)).then_some(nearest)
}

/// `; did you mean vendor?`, or nothing.
pub fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map(|name| format!("; did you mean {name}?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_is_near() {
        let names = ["site", "sensor", "workers", "out"];
        assert_eq!(nearest("wrokers", names), Some("workers"));
        assert_eq!(nearest("SITE", names), Some("site"));
        assert_eq!(nearest("colour", names), None);
        assert_eq!(nearest("x", []), None);
    }
}
