import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.SQLException;

/** The table of PostgreSQL that a peer keeps. Rows are whole sums by cell, so that a second write changes nothing. */
final class CoverageTable implements AutoCloseable {
    private static final String UPSERT = "INSERT INTO coverage VALUES (0, ?, ?, ?, ?, ?, ?) ON CONFLICT (worker, park, industry) DO UPDATE SET "
            + "units = excluded.units, covered_units = excluded.covered_units, workers = excluded.workers, members = excluded.members";

    private final Connection connection;
    private final PreparedStatement upsert;

    CoverageTable(String address) throws SQLException {
        connection = DriverManager.getConnection(address);
        connection.createStatement().execute("SET synchronous_commit = off");
        upsert = connection.prepareStatement(UPSERT);
    }

    /** Adds a row to the batch. {@code cell} is "park|industry"; {@code sums}: units, covered units, workers, members. */
    void put(String cell, long[] sums) throws SQLException {
        int at = cell.indexOf('|');
        upsert.setString(1, cell.substring(0, at));
        upsert.setString(2, cell.substring(at + 1));
        for (int index = 0; index < sums.length; index++) {
            upsert.setLong(3 + index, sums[index]);
        }
        upsert.addBatch();
    }

    /** Writes and commits the batch. */
    void write() throws SQLException {
        upsert.executeBatch();
    }

    @Override
    public void close() throws SQLException {
        connection.close();
    }
}
