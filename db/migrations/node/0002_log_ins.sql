-- Log-ins in lots, as workers report them, each packed and named by the number of its last log-in. Before, one row was
-- written for each, which cost more than all the rest of a log-in's way through the controller.
DROP TABLE outcome;
CREATE TABLE log_ins (last INTEGER PRIMARY KEY, packed BLOB NOT NULL);
