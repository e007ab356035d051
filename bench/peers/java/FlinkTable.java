import java.io.IOException;
import java.sql.SQLException;
import java.util.HashMap;
import java.util.Map;
import org.apache.flink.api.common.operators.ProcessingTimeService;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.SinkWriter;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.api.java.tuple.Tuple2;

/** Writes the last sums of each changed cell to PostgreSQL, twice a second and before each checkpoint. */
final class FlinkTable implements Sink<Tuple2<String, long[]>> {
    private static final long EVERY_MS = 500;
    private final String address;

    FlinkTable(String address) {
        this.address = address;
    }

    @Override
    public SinkWriter<Tuple2<String, long[]>> createWriter(WriterInitContext context) throws IOException {
        try {
            return new Writer(new CoverageTable(address), context.getProcessingTimeService());
        } catch (SQLException error) {
            throw new IOException(error);
        }
    }

    private static final class Writer implements SinkWriter<Tuple2<String, long[]>> {
        private final CoverageTable table;
        private final ProcessingTimeService clock;
        private final Map<String, long[]> changed = new HashMap<>();

        Writer(CoverageTable table, ProcessingTimeService clock) {
            this.table = table;
            this.clock = clock;
            writeLater();
        }

        private void writeLater() {
            clock.registerTimer(clock.getCurrentProcessingTime() + EVERY_MS, now -> {
                flush(false);
                writeLater();
            });
        }

        @Override
        public void write(Tuple2<String, long[]> cell, Context context) {
            changed.put(cell.f0, cell.f1);
        }

        @Override
        public void flush(boolean endOfInput) throws IOException {
            if (changed.isEmpty()) {
                return;
            }
            try {
                for (Map.Entry<String, long[]> cell : changed.entrySet()) {
                    table.put(cell.getKey(), cell.getValue());
                }
                table.write();
            } catch (SQLException error) {
                throw new IOException(error);
            }
            changed.clear();
        }

        @Override
        public void close() throws SQLException {
            table.close();
        }
    }
}
