import com.fasterxml.jackson.databind.JsonNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.concurrent.CountDownLatch;

/** How often a program folds the log: once, or, if its job says {@code warm}, a second time in the same JVM. */
final class Passes {
    /** Starts to fold under a name of its own, with no state of another name; the result ends it. */
    interface Pass {
        AutoCloseable start(String run) throws Exception;
    }

    private Passes() {
    }

    /**
     * Never returns. A warm program ends its first pass at a line of standard input, prints {@code stopped}, and begins the second at the next
     * line: the bench empties the table in between.
     */
    static void run(JsonNode job, Pass pass) throws Exception {
        String run = job.get("run").asText();
        AutoCloseable running = pass.start(run);
        if (job.path("warm").asBoolean()) {
            BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
            lines.readLine();
            running.close();
            System.out.println("stopped");
            lines.readLine();
            running = pass.start(run + "-again");
        }
        new CountDownLatch(1).await();
    }
}
