//! The contract changes only knowingly: `schema.txt` is what users were promised.

use outputs::schema;

#[test]
fn the_schema_is_the_one_that_was_promised() {
    let promised = include_str!("schema.txt");
    let schema = schema::text();
    let changed = promised.lines().zip(schema.lines()).find(|(promised, now)| promised != now);
    assert_eq!(changed, None, "write tests/schema.txt anew (`otoscope schema`) if this is meant");
    assert_eq!(promised.lines().count(), schema.lines().count());
}
