//! The README's session, run as it is printed, against a server as the README starts it.

use std::process::Command;

use crate::process::Process;

/// The fenced blocks between two markers, joined.
fn session() -> String {
    let readme = include_str!("../../README.md");
    let part = readme.split("<!-- session:start -->").nth(1).expect("the session starts");
    let part = part.split("<!-- session:end -->").next().expect("the session ends");
    let blocks: Vec<&str> = part
        .split("```")
        .skip(1)
        .step_by(2)
        .filter_map(|block| block.strip_prefix("bash\n"))
        .collect();
    assert!(blocks.len() >= 4, "{} blocks", blocks.len());
    blocks.join("\n")
}

#[test]
fn the_readmes_session_works_as_printed() {
    let directory = tempfile::tempdir().unwrap();
    let server = Process::start(&directory.path().join("data"));
    let script = session();
    assert!(script.contains("http://127.0.0.1:8080"), "the session names the server");
    let script = script.replace("http://127.0.0.1:8080", &server.api.base);
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &script])
        .current_dir(directory.path())
        .output()
        .unwrap();
    let (out, error) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{error}\n{out}");
    // What the README says will be seen.
    for expected in ["\"succeeded\"", "\"mean\"", "\"virginica\"", "\"petal_length\""] {
        assert!(out.contains(expected), "{expected} in {out}");
    }
}
