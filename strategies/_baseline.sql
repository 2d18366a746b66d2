-- baseline_restore.py installs this into its copy of the migrated database: a baseline of all rows, triggers that record
-- what a test changes, and restore(), which puts it back. Everything is in the schema baseline_restore. The restoring
-- connection sets baseline_restore.restoring, so that its own changes are not recorded.

CREATE SCHEMA baseline_restore;

-- It has no key, so that writers that record the same table do not wait for each other. The oid of a table means that
-- all of it may have changed, the oid of its table of keys that those rows may have, and 0 that the schema has.
CREATE UNLOGGED TABLE baseline_restore.touched (relation oid NOT NULL);

CREATE TABLE baseline_restore.sequences (
    sequence oid NOT NULL, name text NOT NULL, last_value bigint NOT NULL, is_called boolean NOT NULL, cached boolean NOT NULL
);

-- SECURITY DEFINER, since a role that writes to a table may not have the right to write here.
CREATE FUNCTION baseline_restore.note_table() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO baseline_restore.touched VALUES (TG_RELID);
    RETURN NULL;
END
$$;

-- Temporary tables are ignored: they end with their connection and do not belong to the schema.
CREATE FUNCTION baseline_restore.note_ddl() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF current_setting('baseline_restore.restoring', true) IS NOT NULL THEN
        RETURN;
    ELSIF TG_EVENT = 'sql_drop' THEN
        PERFORM FROM pg_event_trigger_dropped_objects() WHERE NOT is_temporary;
    ELSE
        PERFORM FROM pg_event_trigger_ddl_commands() WHERE schema_name IS DISTINCT FROM 'pg_temp';
    END IF;
    IF FOUND THEN
        INSERT INTO baseline_restore.touched VALUES (0);
    END IF;
END
$$;

-- Ends the transactions that could disturb what comes next, and returns what they were.
CREATE FUNCTION baseline_restore.end_transactions(OUT ended text) LANGUAGE plpgsql AS $$
DECLARE
    pids integer[];
    deadline timestamptz;
BEGIN
    SELECT array_agg(pid), string_agg(format('backend %s, %s: %s', pid, state, query), '; ' ORDER BY pid)
    INTO pids, ended
    FROM pg_stat_activity AS one
    WHERE datname = current_database() AND backend_type = 'client backend' AND xact_start IS NOT NULL
        AND pid <> pg_backend_pid()
        -- An idle one that has only read changes nothing, and its locks do not block those who read and write rows.
        AND NOT (
            state IN ('idle in transaction', 'idle in transaction (aborted)') AND backend_xid IS NULL AND NOT EXISTS (
                SELECT FROM pg_locks AS held
                WHERE held.pid = one.pid
                    AND (locktype, mode) NOT IN (('relation', 'AccessShareLock'), ('virtualxid', 'ExclusiveLock'))
            )
        );
    IF pids IS NULL THEN
        RETURN;
    END IF;
    -- Given a timeout, pg_terminate_backend() would check only every 100 ms whether the backend is gone.
    PERFORM pg_terminate_backend(pid) FROM unnest(pids) AS pid;
    deadline := clock_timestamp() + interval '5 seconds';
    LOOP
        PERFORM pg_stat_clear_snapshot();
        PERFORM FROM pg_stat_activity WHERE pid = ANY (pids);
        EXIT WHEN NOT FOUND;
        IF clock_timestamp() > deadline THEN
            RAISE EXCEPTION 'a transaction that a test left open does not end: %', ended;
        END IF;
        PERFORM pg_sleep(0.001);
    END LOOP;
END
$$;

DO $install$
DECLARE
    -- Tables with at most this many rows are restored as a whole; in larger ones, only rows whose keys were recorded.
    few CONSTANT integer := 200;
    -- restore() skips a group of this many tables at once if none of them was touched.
    group_size CONSTANT integer := 16;
    noted CONSTANT text := 'FOR EACH STATEMENT WHEN (current_setting(''baseline_restore.restoring'', true) IS NULL)';
    beyond oid[] := '{0}';
    rules text[] := '{}';
    signals_of_rules text[] := '{}';
    body text;
    changed_sequences text;
    item record;
    key_columns text;
    keys_oid oid;
    same_key text;
    event text;
    rows_there integer;
    put_back text;
    rule text;
    signals oid[];
BEGIN
    FOR item IN
        SELECT
            c.oid,
            c.relkind = 'r' AS holds_rows,
            -- Asking for the size of a file is much faster than counting. Only heaps are known to keep their rows in it.
            c.relkind = 'r' AND (pg_relation_size(c.oid) > 0 OR m.amname <> 'heap') AS may_have_rows,
            format('%I.%I', n.nspname, c.relname) AS name,
            format('baseline_restore.rows_%s', c.oid) AS rows,
            format('baseline_restore.keys_%s', c.oid) AS keys,
            format('baseline_restore.note_keys_%s', c.oid) AS note_keys,
            -- A statement on a parent table also writes to its children, but fires only the parent's trigger.
            ARRAY(
                WITH RECURSIVE above (relation) AS (
                    SELECT c.oid UNION SELECT i.inhparent FROM pg_inherits AS i JOIN above ON i.inhrelid = relation
                )
                SELECT relation FROM above
            ) AS noted_as,
            EXISTS (SELECT FROM pg_inherits WHERE c.oid IN (inhrelid, inhparent)) AS in_tree,
            (
                SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum)
                FROM pg_attribute
                WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
            ) AS columns,
            -- These would fire while rows are restored.
            EXISTS (SELECT FROM pg_trigger WHERE tgrelid = c.oid AND tgenabled IN ('A', 'R'))
            OR EXISTS (SELECT FROM pg_rewrite WHERE ev_class = c.oid AND ev_enabled IN ('A', 'R')) AS interferes,
            -- Rows that violate these cannot be restored.
            EXISTS (
                SELECT FROM pg_constraint WHERE conrelid = c.oid AND contype IN ('c', 'n') AND NOT convalidated
            ) AS unchecked
        FROM pg_class AS c
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        LEFT JOIN pg_am AS m ON m.oid = c.relam
        WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
            AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'baseline_restore')
        ORDER BY c.oid
    LOOP
        rows_there := 0;
        key_columns := NULL;
        IF item.may_have_rows THEN
            EXECUTE format('SELECT count(*) FROM (SELECT FROM ONLY %s LIMIT %s) AS rows', item.name, few + 1) INTO rows_there;
        END IF;
        IF item.interferes OR rows_there > 0 AND (item.unchecked OR item.columns IS NULL) THEN
            beyond := beyond || item.noted_as;
        ELSIF item.holds_rows THEN
            put_back := format('DELETE FROM ONLY %s; ', item.name);
            IF rows_there > 0 THEN
                EXECUTE format('CREATE UNLOGGED TABLE %s AS SELECT %s FROM ONLY %s', item.rows, item.columns, item.name);
                put_back := put_back || format(
                    'INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM %s; ',
                    item.name, item.columns, item.columns, item.rows
                );
            END IF;
            IF rows_there > few AND NOT item.in_tree THEN
                -- Keys are compared by the operators of their own index, whatever schema those are in.
                SELECT
                    string_agg(quote_ident(a.attname), ', ' ORDER BY k.place),
                    string_agg(
                        format('one.%I OPERATOR(%I.%s) key.%I', a.attname, n.nspname, o.oprname, a.attname),
                        ' AND ' ORDER BY k.place
                    )
                INTO key_columns, same_key
                FROM pg_index AS i
                JOIN pg_class AS x ON x.oid = i.indexrelid
                JOIN pg_am AS m ON m.oid = x.relam AND m.amname = 'btree'
                CROSS JOIN generate_series(0, i.indnkeyatts - 1) AS k (place)
                JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k.place]
                JOIN pg_opclass AS c ON c.oid = i.indclass[k.place]
                JOIN pg_amop AS p ON p.amopfamily = c.opcfamily AND p.amopstrategy = 3
                    AND p.amoplefttype = c.opcintype AND p.amoprighttype = c.opcintype
                JOIN pg_operator AS o ON o.oid = p.amopopr
                JOIN pg_namespace AS n ON n.oid = o.oprnamespace
                WHERE i.indrelid = item.oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL
                GROUP BY i.indexrelid, i.indisprimary, i.indnkeyatts
                HAVING bool_and(a.attnotnull AND a.attgenerated = '') AND count(*) = i.indnkeyatts
                ORDER BY i.indisprimary DESC, i.indexrelid
                LIMIT 1;
            END IF;
            signals := item.noted_as;
            rule := format('        IF touched && %L::oid[] THEN %s', item.noted_as, put_back);
            IF key_columns IS NOT NULL THEN
                EXECUTE format('CREATE UNIQUE INDEX ON %s (%s)', item.rows, key_columns);
                EXECUTE format('ANALYZE %s', item.rows);
                EXECUTE format('CREATE UNLOGGED TABLE %s AS SELECT %s FROM %s WITH NO DATA', item.keys, key_columns, item.rows);
                keys_oid := item.keys::regclass;
                EXECUTE format(
                    'CREATE FUNCTION %1$s() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $note$ BEGIN'
                    ' IF TG_OP <> ''INSERT'' THEN INSERT INTO %2$s SELECT %3$s FROM rows_before; END IF;'
                    ' IF TG_OP <> ''DELETE'' THEN INSERT INTO %2$s SELECT %3$s FROM rows_after; END IF;'
                    ' INSERT INTO baseline_restore.touched VALUES (%4$s); RETURN NULL; END $note$',
                    item.note_keys, item.keys, key_columns, keys_oid
                );
                signals := signals || keys_oid;
                rule := rule || format(
                    E'DELETE FROM %2$s;\n        ELSIF touched && ''{%6$s}''::oid[] THEN'
                    ' DELETE FROM ONLY %1$s AS one USING %2$s AS key WHERE %3$s;'
                    ' INSERT INTO %1$s (%4$s) OVERRIDING SYSTEM VALUE'
                    ' SELECT %4$s FROM %5$s AS one WHERE EXISTS (SELECT FROM %2$s AS key WHERE %3$s);'
                    ' DELETE FROM %2$s; ',
                    item.name, item.keys, same_key, item.columns, item.rows, keys_oid
                );
                FOREACH event IN ARRAY ARRAY[
                    'INSERT ON %s REFERENCING NEW TABLE AS rows_after',
                    'DELETE ON %s REFERENCING OLD TABLE AS rows_before',
                    'UPDATE ON %s REFERENCING OLD TABLE AS rows_before NEW TABLE AS rows_after'
                ] LOOP
                    EXECUTE format(
                        'CREATE TRIGGER %I AFTER ' || event || ' %s EXECUTE FUNCTION %s()',
                        'baseline_restore_' || split_part(event, ' ', 1), item.name, noted, item.note_keys
                    );
                END LOOP;
            END IF;
            rules := rules || (rule || E'END IF;\n');
            signals_of_rules := signals_of_rules || array_to_string(signals, ',');
        END IF;
        EXECUTE format(
            'CREATE TRIGGER baseline_restore_note AFTER %s TRUNCATE ON %s %s EXECUTE FUNCTION baseline_restore.note_table()',
            CASE WHEN key_columns IS NULL THEN 'INSERT OR UPDATE OR DELETE OR' END, item.name, noted
        );
    END LOOP;
    SELECT string_agg(format(E'    IF touched && ''{%s}''::oid[] THEN\n%s    END IF;\n', signals_of_group, rules_of_group), '')
    INTO body
    FROM (
        SELECT string_agg(one.signals, ',') AS signals_of_group, string_agg(one.rule, '') AS rules_of_group
        FROM unnest(signals_of_rules, rules) WITH ORDINALITY AS one (signals, rule, place)
        GROUP BY one.place / group_size
    ) AS groups;

    -- Writes in the replica role are recorded, too. ALTER TABLE for each trigger would take longer than creating it.
    UPDATE pg_trigger SET tgenabled = 'A' WHERE starts_with(tgname, 'baseline_restore_');

    IF current_setting('server_version_num')::integer >= 180000 THEN
        INSERT INTO baseline_restore.sequences
        SELECT s.seqrelid, format('%I.%I', n.nspname, c.relname), now.last_value, now.is_called, s.seqcache > 1
        FROM pg_sequence AS s
        JOIN pg_class AS c ON c.oid = s.seqrelid AND c.relpersistence <> 't'
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        CROSS JOIN pg_get_sequence_data(s.seqrelid) AS now;
        -- OFFSET 0 makes Postgres call the function only once for each sequence.
        changed_sequences :=
            'SELECT * FROM (SELECT *, pg_get_sequence_data(sequence) AS now FROM baseline_restore.sequences OFFSET 0) AS kept'
            ' WHERE ((now).last_value, (now).is_called) IS DISTINCT FROM (last_value, is_called)';
    ELSE
        FOR item IN
            SELECT s.seqrelid, s.seqcache, format('%I.%I', n.nspname, c.relname) AS name
            FROM pg_sequence AS s
            JOIN pg_class AS c ON c.oid = s.seqrelid AND c.relpersistence <> 't'
            JOIN pg_namespace AS n ON n.oid = c.relnamespace
        LOOP
            EXECUTE format(
                'INSERT INTO baseline_restore.sequences SELECT %s, %L, last_value, is_called, %L FROM %s',
                item.seqrelid, item.name, item.seqcache > 1, item.name
            );
        END LOOP;
        SELECT coalesce(string_agg(format(
            'SELECT %s::oid AS sequence, %L AS name, %s::bigint AS last_value, %L::boolean AS is_called, %L::boolean AS cached'
            ' FROM %s AS now WHERE (now.last_value, now.is_called) IS DISTINCT FROM (%s, %L)',
            sequence, name, last_value, is_called, cached, name, last_value, is_called
        ), ' UNION ALL '), 'SELECT FROM baseline_restore.sequences')
        INTO changed_sequences FROM baseline_restore.sequences;
    END IF;
    EXECUTE format(
        $restore$
CREATE FUNCTION baseline_restore.restore(OUT restored boolean, OUT ended text) LANGUAGE plpgsql AS $body$
#variable_conflict use_column
DECLARE
    touched oid[];
    item record;
BEGIN
    ended := baseline_restore.end_transactions();
    WITH noted AS (DELETE FROM baseline_restore.touched RETURNING relation)
    SELECT coalesce(array_agg(DISTINCT relation), '{}') INTO touched FROM noted;
    restored := NOT touched && %L::oid[];
    IF NOT restored THEN RETURN; END IF;
%s
    FOR item IN %s LOOP
        -- A new file for the sequence makes connections drop the values that they have cached.
        IF item.cached THEN EXECUTE format('ALTER SEQUENCE %%s RESTART', item.name); END IF;
        PERFORM setval(item.sequence, item.last_value, item.is_called);
    END LOOP;
END
$body$
        $restore$,
        beyond, body, changed_sequences
    );
END
$install$;

CREATE EVENT TRIGGER baseline_restore_note ON ddl_command_end EXECUTE FUNCTION baseline_restore.note_ddl();
CREATE EVENT TRIGGER baseline_restore_note_drop ON sql_drop EXECUTE FUNCTION baseline_restore.note_ddl();
ALTER EVENT TRIGGER baseline_restore_note ENABLE ALWAYS;
ALTER EVENT TRIGGER baseline_restore_note_drop ENABLE ALWAYS;
