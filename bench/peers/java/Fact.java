import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.time.LocalDate;

/** What the task needs of an event. */
final class Fact {
    private static final JsonFactory JSON = new JsonFactory();

    String type;
    boolean registry;
    long sequence;
    long day;
    String park;
    String industry = "unknown";
    long workers;

    static Fact read(byte[] value) {
        Fact fact = new Fact();
        try (JsonParser parser = JSON.createParser(value)) {
            parser.nextToken();
            while (parser.nextToken() != JsonToken.END_OBJECT) {
                fact.field(parser, parser.currentName());
            }
        } catch (IOException error) {
            throw new IllegalArgumentException(error);
        }
        return fact;
    }

    private void field(JsonParser parser, String name) throws IOException {
        parser.nextToken();
        switch (name) {
            case "type" -> type = parser.getText();
            case "source" -> registry = parser.getText().endsWith("registry");
            case "sequence" -> sequence = Long.parseLong(parser.getText());
            case "occurredon" -> day = LocalDate.parse(parser.getText()).toEpochDay();
            case "data" -> {
                while (parser.nextToken() != JsonToken.END_OBJECT) {
                    String inner = parser.currentName();
                    parser.nextToken();
                    switch (inner) {
                        case "park" -> park = parser.getText();
                        case "industry" -> industry = parser.getText();
                        case "workers" -> workers = parser.getLongValue();
                        default -> parser.skipChildren();
                    }
                }
            }
            default -> parser.skipChildren();
        }
    }
}
