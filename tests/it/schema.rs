//! Every report is what docs/reference/report.schema.json says.

use boon::{Compiler, Schemas};
use serde_json::Value;

use crate::harness::root;

/// Asserts that a report follows the published schema.
#[track_caller]
pub fn check(report: &Value) {
    let path = root().join("docs/reference/report.schema.json");
    // A list of snapshots is a list.
    let part = if report.is_array() { "#/$defs/snapshots" } else { "" };
    let place = format!("{}{part}", path.display());
    let mut schemas = Schemas::new();
    let schema = Compiler::new().compile(&place, &mut schemas).unwrap();
    if let Err(error) = schemas.validate(report, schema) {
        panic!("the report is not what its schema says\n{error}\n{report:#}");
    }
}

#[test]
fn what_is_no_report_is_noticed() {
    let wrong = serde_json::json!({"schema": "rowsafe.report/1", "verdict": "fine"});
    assert!(std::panic::catch_unwind(|| check(&wrong)).is_err());
    let wrong = serde_json::json!([{"id": "98ys4g17", "state": "fine"}]);
    assert!(std::panic::catch_unwind(|| check(&wrong)).is_err());
}
