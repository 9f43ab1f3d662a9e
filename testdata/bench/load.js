// Runs a file of SQL on a SQLite database, as `make bench-scale` loads one. Run as node PROGRAM DATABASE SQL.
import { readFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

const [database, sql] = process.argv.slice(2);
const db = new DatabaseSync(database);
db.exec(readFileSync(sql, 'utf8'));
db.close();
