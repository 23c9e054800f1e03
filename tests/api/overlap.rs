//! Two datasets, one to train on and one to test on: rows that are in both are found.

use serde_json::json;

use crate::support::World;

fn table(rows: impl Iterator<Item = u32>) -> String {
    let row = |row: u32| {
        let x = f64::from(row).sqrt();
        format!("{row},{x},{},{}\n", (x * 7.0).sin(), ["a", "b"][row as usize % 2])
    };
    "id,x,z,label\n".to_owned() + &rows.map(row).collect::<String>()
}

#[test]
fn rows_in_both_are_found_with_their_share() {
    let world = World::new();
    let train = world.api.dataset(&table(0..400));
    let test = world.api.dataset(&table(350..450));
    let found = world.api.get(&format!("/v1/datasets/{train}/overlap?with={test}")).expect(200);
    assert_eq!(found["columns"], json!(["id", "x", "z", "label"]));
    let warning = &found["warnings"][0];
    assert_eq!(warning["code"], "train_test_overlap");
    assert_eq!(
        (&warning["evidence"]["share"], &warning["evidence"]["n_rows"]),
        (&json!(0.5), &json!(50))
    );
    let apart = world.api.dataset(&table(1000..1100));
    let found = world.api.get(&format!("/v1/datasets/{train}/overlap?with={apart}")).expect(200);
    assert_eq!(found["warnings"], json!([]));
}

#[test]
fn what_cannot_be_compared_is_named() {
    let world = World::new();
    let train = world.api.dataset(&table(0..40));
    let other = world.api.dataset("u,v\n1,2\n3,4\n");
    let path = |with: &str| format!("/v1/datasets/{train}/overlap{with}");
    for (with, reason) in [
        (format!("?with={other}"), "no column of the same name and type"),
        (format!("?with={train}"), "itself"),
        ("?with=ds_01890a5d-ac96-774b-bcce-b302099a8057".to_owned(), "no dataset"),
        ("?with=iris".to_owned(), "no dataset"),
    ] {
        let answer = world.api.get(&path(&with));
        assert!(answer.text().contains(reason), "{with}: {}", answer.text());
        assert_eq!(answer.status, 422, "{}", answer.text());
    }
    assert!((400..500).contains(&world.api.get(&path("")).status));
}
