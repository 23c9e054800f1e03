-- Datasets of any format: how one is read is no longer the schema of a CSV file but what its reader
-- understood, and how many rows there are is part of the content.

ALTER TABLE datasets RENAME COLUMN csv TO reading;

UPDATE datasets SET
    content = json_set(content, '$.n_rows', json_extract(reading, '$.n_rows')),
    reading = json_object(
        'format', 'csv',
        'compression', 'none',
        'csv', json_object(
            'header', json(CASE WHEN json_extract(reading, '$.header') THEN 'true' ELSE 'false' END),
            'delimiter', char(json_extract(reading, '$.delimiter'))
        )
    );
