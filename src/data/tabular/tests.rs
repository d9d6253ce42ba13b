use super::*;

fn compared(name: &str, before: &[u8], after: &[u8]) -> Result<TableDiff> {
    let dir = tempfile::tempdir().unwrap();
    let store = crate::store::Store::open(dir.path()).unwrap();
    let digest = store.put_bytes(before).unwrap();
    let file = dir.path().join("after");
    std::fs::write(&file, after).unwrap();
    let format = Format::of(name.as_bytes()).unwrap();
    let before = Source::Object { store, digest };
    compare(format, name.as_bytes(), before, Source::File(file), &Counter::default(), &|| Ok(()))
}

fn rows(added: u64, removed: u64, changed: u64) -> Option<RowChanges> {
    Some(RowChanges { added, removed, changed: Some(changed), estimated: false })
}

fn names(columns: &[Column]) -> Vec<&str> {
    columns.iter().map(|column| column.name.as_str()).collect()
}

#[test]
fn rows_and_columns_of_csv_are_told_apart() {
    let before = b"id,price,old\n1,10,a\n2,20,b\n3,30,c\n";
    let after = b"new,id,price\nx,1,10\ny,2,25.5\nz,4,40\n,3,30\n";

    let diff = compared("t.csv", before, after).unwrap();

    assert_eq!((diff.rows_before, diff.rows_after), (3, 4));
    assert_eq!((names(&diff.columns_added), names(&diff.columns_removed)), (vec!["new"], vec!["old"]));
    // Row 4 is new and row 2 has another price; what is in one version only does not count.
    assert_eq!(diff.rows, rows(1, 0, 1));
    let changed: Vec<_> =
        diff.columns_changed.iter().map(|change| (&*change.before.kind, &*change.after.kind)).collect();
    assert_eq!(changed, [("integer", "integer"), ("integer", "float")]);
    assert_eq!(diff.columns_changed[1].after.maximum, Some(40.0));
}

#[test]
fn csv_is_read_as_people_write_it() {
    let same = |before: &[u8], after: &[u8]| {
        let diff = compared("t.csv", before, after).unwrap();
        assert_eq!(diff.rows, rows(0, 0, 0), "{}", String::from_utf8_lossy(after));
        diff
    };
    same(b"a;b\r\n1;\"x\ny\"\r\n", b"\xef\xbb\xbfa;b\n1;\"x\ny\"\n");
    same(b"a\tb\n1\t2\n", b"a|b\n1|2");
    assert_eq!(same(b"\"a,b\";c\n1;2\n", b"\"a,b\";c\n1;2\n").columns_after, 2);
    assert_eq!(same(b"", b"").rows_after, 0);
    assert_eq!(same(b"a,a\n1,2\n", b"a,a\n1,2\n").columns_after, 2);
    let ragged = same(b"a,b\n1\n1,2,3\n", b"a,b\n1\n1,2,3\n");
    assert_eq!(ragged.notes, ["2 of 2 rows have more or fewer values than there are columns"]);
    assert_eq!(compared("t.csv", b"a,b\n1,2,3\n", b"a,b\n1,2,4\n").unwrap().rows, rows(0, 0, 1));
}

#[test]
fn json_lines_are_compared_as_values() {
    let before = b"{\"id\": 1, \"tags\": [1, 2]}\n{\"id\": 2}\n\n{\"id\": 3, \"x\": null}\n";
    let after = b"{\"tags\":[1,2],\"id\":1}\n{\"id\": 3, \"x\": 1.5}\n{\"id\": 4}\n";

    let diff = compared("t.jsonl", before, after).unwrap();

    assert_eq!((diff.rows_before, diff.rows_after), (3, 3));
    assert_eq!(diff.rows, rows(1, 1, 1));
    let changed: Vec<_> = diff.columns_changed.iter().map(|change| &*change.after.name).collect();
    assert_eq!(changed, ["id", "x"]);
}

#[test]
fn what_is_not_what_its_name_says_is_named() {
    let error = |name: &str, after: &[u8]| compared(name, after, after).unwrap_err().to_string();

    assert!(error("t.csv", b"a\0b").ends_with("(before): it is no text in UTF-8"));
    assert!(error("t.jsonl", b"{}\n{\n").contains("line 2 is no JSON"), "{}", error("t.jsonl", b"{}\n{\n"));
    assert!(error("t.parquet", b"PAR1 and more").contains("does not end like a Parquet file"));
    assert!(error("t.parquet", b"\xff\xff\xff\0PAR1").contains("does not end like a Parquet file"));
    assert!(error("t.parquet", b"garbage!\x08\0\0\0PAR1").contains("footer can't be read"));
}

#[test]
fn a_row_without_end_takes_no_memory() {
    let mut endless = b"a,b\n1,\"".to_vec();
    endless.resize(LONGEST_ROW as usize * 2, b'x');

    let error = compared("t.csv", b"a,b\n", &endless).unwrap_err().to_string();

    assert!(error.contains("(after): row 1: ") && error.contains("longer than 16 MiB"), "{error}");
    let error = compared("t.jsonl", b"{}\n", &endless).unwrap_err().to_string();
    assert!(error.contains("line 2 is longer") || error.contains("line 1 is no JSON"), "{error}");
}

#[test]
fn parquet_is_known_by_its_footer() {
    use std::sync::Arc;

    use ::parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
    use ::parquet::file::properties::WriterProperties;
    use ::parquet::file::writer::SerializedFileWriter;
    use ::parquet::schema::parser::parse_message_type;

    let write = |schema: &str, numbers: &[i64]| {
        let schema = Arc::new(parse_message_type(schema).unwrap());
        let mut bytes = Vec::new();
        let mut writer = SerializedFileWriter::new(&mut bytes, schema, Arc::new(WriterProperties::new())).unwrap();
        let mut group = writer.next_row_group().unwrap();
        while let Some(mut column) = group.next_column().unwrap() {
            match column.untyped() {
                ::parquet::column::writer::ColumnWriter::Int64ColumnWriter(_) => {
                    column.typed::<Int64Type>().write_batch(numbers, None, None).map(drop).unwrap();
                }
                ::parquet::column::writer::ColumnWriter::DoubleColumnWriter(_) => {
                    let numbers: Vec<f64> = numbers.iter().map(|number| *number as f64 / 2.0).collect();
                    column.typed::<DoubleType>().write_batch(&numbers, None, None).map(drop).unwrap();
                }
                _ => {
                    let texts = vec![ByteArray::from("x"); numbers.len()];
                    column.typed::<ByteArrayType>().write_batch(&texts, None, None).map(drop).unwrap();
                }
            }
            column.close().unwrap();
        }
        group.close().unwrap();
        writer.close().unwrap();
        bytes
    };
    let before = write("message m { required int64 id; required int64 price; }", &[1, 2]);
    let after =
        write("message m { required int64 id; required double price; required binary city (utf8); }", &[1, 2, 9]);

    let diff = compared("t.parquet", &before, &after).unwrap();

    assert_eq!((diff.rows_before, diff.rows_after, diff.rows), (2, 3, None));
    assert_eq!(names(&diff.columns_added), ["city"]);
    assert_eq!(diff.columns_added[0].kind, "string");
    let changes: Vec<_> =
        diff.columns_changed.iter().map(|change| (&*change.after.name, &*change.after.kind)).collect();
    assert_eq!(changes, [("id", "int64"), ("price", "double")]);
    assert_eq!(diff.columns_changed[0].after.maximum, Some(9.0));
}

#[test]
fn a_damaged_version_is_never_compared() {
    let dir = tempfile::tempdir().unwrap();
    let store = crate::store::Store::open(dir.path()).unwrap();
    let digest = store.put_bytes(b"a\n1\n").unwrap();
    let hex = digest.hex();
    let object = dir.path().join("objects").join(&hex[..2]).join(&hex[2..]);
    std::fs::remove_file(&object).unwrap();
    std::fs::write(&object, "a\n2\n").unwrap();
    let source = || Source::Object { store: store.clone(), digest };

    let error = compare(Format::Csv, b"t.csv", source(), source(), &Counter::default(), &|| Ok(())).unwrap_err();

    assert!(error.to_string().contains("is damaged"), "{error}");
}
